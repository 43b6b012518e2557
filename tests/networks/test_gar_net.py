"""GarNet: point by point, and with the published weights the published outputs."""

import os
from pathlib import Path

import numpy as np
import pytest
import torch

from bunchtrain.errors import StudyError
from bunchtrain.networks.gar_net import GarNet

CALO = Path(os.environ.get("BUNCHTRAIN_DATA", "../shared/data")) / "calo"


@pytest.mark.parametrize("keep", [False, True])
def test_the_equations_point_by_point(keep):
    torch.manual_seed(2)
    layers = {"aggregators": (2, 3), "propagate": (4, 2), "filters": (3, 5), "widths": ()}
    made = GarNet(3, 2, points=8, keep=keep, **layers)
    lengths = [3, 0, 2]
    x = torch.randn(5, 3)
    wanted = []
    for event in x.split(lengths):
        for layer in made.layers:
            weight = torch.exp(-(layer.distances(event) ** 2))
            held = [(w[:, None] * layer.features(event)).sum(0) / 8 for w in weight.T]
            before = event
            event = torch.stack(
                [layer.back(torch.cat([w * h for w, h in zip(each, held, strict=True)]))
                 for each in weight]
            ) if len(event) else event.new_zeros(0, layer.back.out_features)  # fmt: skip
            if keep:
                event = torch.tanh(event + before @ layer.own.weight.T)
        wanted.append(made.dense(event.sum(0) / 8))
    torch.testing.assert_close(made(x, torch.tensor(lengths)), torch.stack(wanted))


def test_numbers_of_layers_must_agree():
    with pytest.raises(StudyError, match="'filters', and got 3, 1 and 3"):
        GarNet(4, 1, propagate=(8,))


def test_published_weights_give_the_published_outputs():
    h5py = pytest.importorskip("h5py")
    path = CALO / "garnet_1layer_weights.h5"
    if not path.is_file():
        pytest.skip("garnet_1layer_weights.h5 of fastmachinelearning/example-models is not at hand")
    one = {"aggregators": (4,), "propagate": (4,), "filters": (4,), "widths": (8,)}
    made = GarNet(4, 1, **one)
    with h5py.File(path) as file:
        weights, garnet = file["model_weights"], file["model_weights/gar_1/gar_1"]
        layer = made.layers[0]
        for mine, name in ((layer.features, "FLR"), (layer.distances, "S"), (layer.back, "Fout")):
            take(mine, garnet[f"{name}_kernel:0"], garnet[f"{name}_bias:0"])
        for mine, name in ((made.dense[0], "dense"), (made.dense[2], "dense_1")):
            take(mine, weights[f"{name}/{name}/kernel:0"], weights[f"{name}/{name}/bias:0"])
    rows = np.loadtxt(CALO / "garnet_1layer_input.dat.gz", dtype=np.float32)
    lengths = torch.from_numpy(rows[:, 512].astype(np.int64))
    points = rows[:, :512].reshape(-1, 128, 4)
    packed = torch.cat([torch.from_numpy(p[:n]) for p, n in zip(points, lengths, strict=True)])
    wanted = torch.from_numpy(np.loadtxt(CALO / "garnet_1layer_output.dat.gz", dtype=np.float32))
    found = torch.sigmoid(made(packed, lengths)[:, 0])
    torch.testing.assert_close(found, wanted, atol=5e-6, rtol=0)


def take(layer, kernel, bias):
    layer.weight.data = torch.from_numpy(kernel[()].T)
    layer.bias.data = torch.from_numpy(bias[()])
