"""Taggers of pairs, of ordered particles and of images go to ONNX with any number of jets."""

import numpy as np
import pytest
import torch
from lorentz import momenta

from bunchtrain.models.interaction_network import InteractionNetwork
from bunchtrain.models.lola import Lola
from bunchtrain.models.lorentz_net import LorentzNet
from bunchtrain.models.p_cnn import PCNN
from bunchtrain.models.pelican import Pelican
from bunchtrain.models.resnext import ResNeXt
from bunchtrain.network import needs

onnxruntime = pytest.importorskip("onnxruntime")
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

MODELS = {
    "lorentz_net": lambda: LorentzNet(4, 2, width=8, blocks=2),
    "lorentz_net with beams": lambda: LorentzNet(4, 2, width=8, blocks=2, beams=True),
    "pelican": lambda: Pelican(4, 2, width=6, messages=5, blocks=1),
    "interaction_network": lambda: InteractionNetwork(4, 2),
    "p_cnn": lambda: PCNN(4, 2, first=4, stages=((6,), (6,), (8,)), dense=5),
    "lola": lambda: Lola(4, 2, particles=6, combinations=3),
    "resnext": lambda: ResNeXt((1, 32, 32), 2, units=(1, 1), groups=4, shrink=16),
}


def inputs(model, lengths):
    points = momenta(lengths, seed=len(lengths)).float()
    given = {"momenta": points, "features": points / 40, "lengths": torch.tensor(lengths)}
    given["image"] = torch.rand(len(lengths), 1, 32, 32)
    return {name: given[name] for name in needs(model)}


@pytest.mark.parametrize("name", MODELS)
def test_onnx_gives_the_same_numbers(name, tmp_path):
    torch.manual_seed(1)
    model = MODELS[name]().eval()
    example = inputs(model, [3, 0, 5, 2])
    free = {k: {0: "points" if k in ("momenta", "features") else "batch"} for k in example}
    path = tmp_path / "model.onnx"
    torch.onnx.export(
        model, (), path, kwargs=example, dynamo=True, verbose=False,
        dynamic_shapes=free,
        input_names=list(example),
    )  # fmt: skip
    session = onnxruntime.InferenceSession(path)
    for lengths in [[3, 0, 5, 2], [1, 2, 7, 0, 0, 4, 9]]:
        given = inputs(model, lengths)
        (output,) = session.run(None, {k: v.numpy() for k, v in given.items()})
        with torch.no_grad():
            np.testing.assert_allclose(output, model(**given), rtol=1e-4, atol=1e-4)
