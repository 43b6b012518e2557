"""Taggers of pairs, of ordered particles and of images go to ONNX with any number of jets."""

import pytest
import torch
from exported import check_onnx
from lorentz import momenta

from bunchtrain.models.boost_lstm import BoostLSTM
from bunchtrain.models.capsule_network import CapsuleNetwork
from bunchtrain.models.interaction_network import InteractionNetwork
from bunchtrain.models.l_gatr import LGATr
from bunchtrain.models.lbn import LBN
from bunchtrain.models.lola import Lola
from bunchtrain.models.lorentz_net import LorentzNet
from bunchtrain.models.p_cnn import PCNN
from bunchtrain.models.pelican import Pelican
from bunchtrain.models.recurrent_network import RecurrentNetwork
from bunchtrain.models.resnext import ResNeXt
from bunchtrain.network import needs

pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]

MODELS = {
    "lorentz_net": lambda: LorentzNet(4, 2, width=8, blocks=2),
    "lorentz_net with beams": lambda: LorentzNet(4, 2, width=8, blocks=2, beams=True),
    "pelican": lambda: Pelican(4, 2, width=6, messages=5, blocks=1),
    "interaction_network": lambda: InteractionNetwork(4, 2),
    "p_cnn": lambda: PCNN(4, 2, first=4, stages=((6,), (6,), (8,)), dense=5),
    "lola": lambda: Lola(4, 2, particles=6, combinations=3),
    "lbn": lambda: LBN(4, 2, particles=6, combinations=3, widths=(5,)),
    "l_gatr": lambda: LGATr(4, 2, multivectors=4, scalars=4, blocks=1, heads=2),
    "lstm": lambda: RecurrentNetwork(4, 2, hidden=6, widths=(5,)),
    "gru, both ways": lambda: RecurrentNetwork(
        4, 2, cell="gru", layers=2, bidirectional=True, hidden=6, widths=(5,)
    ),
    "boost_lstm": lambda: BoostLSTM(4, 2, particles=6, frames=2, hidden=6, widths=(5,)),
    "capsule_network": lambda: CapsuleNetwork(
        (1, 32, 32), 2, filters=4, kernel=5, kinds=2, primary=3, dimension=4
    ),
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
    check_onnx(MODELS[name]().eval(), inputs, tmp_path / "model.onnx", tolerance=1e-4)
