"""A regressed value is learnt alike in GeV, in TeV and far from zero."""

import numpy as np
import pytest
import torch

from bunchtrain.batch import Batch
from bunchtrain.heads.cross_entropy import CrossEntropy
from bunchtrain.heads.gaussian_nll import GaussianNLL
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.heads.quantile import Quantile
from bunchtrain.methods.supervised import Network
from bunchtrain.targets import Target

SHAPE = Target("energy", values=("e",))


@pytest.mark.parametrize("kind", [GaussianNLL, MeanSquaredError, Quantile])
def test_the_loss_of_scaled_outputs_changes_as_the_unit_does(kind):
    head, scale, shift = kind(SHAPE), 400.0, 7000.0
    raw, value = torch.randn(50, head.outputs), torch.randn(50, 1)
    here = Batch({}, {"energy": value})
    there = Batch({}, {"energy": value * scale + shift})
    scaling = head.output_scaling(np.array([shift]), np.array([scale]))
    move, stretch = (torch.from_numpy(array).float() for array in scaling)
    loss = head({"energy": raw}, here)
    moved = head({"energy": raw * stretch + move}, there)
    expected = {
        GaussianNLL: loss + torch.log(torch.tensor(scale)),
        MeanSquaredError: loss * scale**2,
        Quantile: loss * scale,
    }[kind]
    torch.testing.assert_close(moved, expected, rtol=1e-3, atol=1e-3)


def test_classes_have_no_unit():
    head = CrossEntropy(Target("jet", classes=("a", "b", "c")))
    shift, scale = head.output_scaling(np.array([0.7]), np.array([0.2]))
    assert shift.tolist() == [0, 0, 0]
    assert scale.tolist() == [1, 1, 1]


def test_units_are_saved_with_the_network():
    def network():
        return Network(torch.nn.Identity(), torch.nn.Linear(2, 1), {"energy": 1})

    first, second = network(), network()
    first.shift.fill_(5.0)
    second.load_state_dict(first.state_dict())
    assert second.shift.item() == 5.0
