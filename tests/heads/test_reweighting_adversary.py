"""Weights against a discriminator: their gradients, their normalisation, and where they end."""

import pytest
import torch
from torch import nn

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads.reweighting_adversary import ReweightingAdversary
from bunchtrain.targets import Target
from bunchtrain.training.game import Game

LABEL = Target("label", classes=("simulation", "data"))


def example(events=2000, seed=0):
    random = torch.Generator().manual_seed(seed)
    data = torch.arange(events) % 2
    x = torch.randn(events, generator=random) + 0.5 * data
    return x, Batch({}, {"label": data}, torch.ones(events), {"x": x})


def test_weights_end_at_the_ratio_of_the_densities():
    """Of normal densities of means 1/2 and 0 the logarithm of the ratio has the slope 1/2."""
    torch.manual_seed(0)
    x, batch = example()
    head = ReweightingAdversary(LABEL, against=["x"], widths=(16,), steps=3)
    network = nn.Linear(1, 1)
    steps, game = torch.optim.Adam(network.parameters(), 0.01), Game([head], 0.02, lambda v: v)
    slopes = []
    for _ in range(400):
        outputs = {"label": network(x[:, None])}
        game.train(outputs, batch)
        steps.zero_grad()
        head(outputs, batch).mean().backward()
        steps.step()
        slopes.append(network.weight.item())
    assert sum(slopes[-200:]) / 200 == pytest.approx(0.5, abs=0.12)


def test_more_steps_bring_the_discriminator_further():
    _, batch = example(400)
    output = torch.zeros(400, 1)
    known = []
    for steps in (1, 40):
        torch.manual_seed(0)
        head = ReweightingAdversary(LABEL, against=["x"], steps=steps)
        Game([head], 0.01, lambda values: values).train({"label": output}, batch)
        known.append(head({"label": output}, batch).mean().item())
    assert known[1] > known[0] + 0.01


def test_a_common_factor_of_the_weights_does_not_matter():
    _, batch = example(200)
    head = ReweightingAdversary(LABEL, against=["x"]).eval()
    output = torch.randn(200, 1, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(head({"label": output}, batch), head({"label": output + 3}, batch))


def test_events_of_weight_zero_do_not_change_the_weights_of_others():
    _, batch = example(200)
    batch.weight[:100] = 0
    head = ReweightingAdversary(LABEL, against=["x"]).eval()
    output = torch.randn(200, 1, generator=torch.Generator().manual_seed(1))
    other = torch.cat([output[:100] + 5, output[100:]])
    before, after = (head({"label": one}, batch)[100:] for one in (output, other))
    torch.testing.assert_close(before, after)


def test_data_give_the_weights_no_gradient():
    _, batch = example(200)
    output = torch.zeros(200, 1, requires_grad=True)
    ReweightingAdversary(LABEL, against=["x"])({"label": output}, batch).mean().backward()
    data = batch.targets["label"] == 1
    assert (output.grad[data] == 0).all()
    assert (output.grad[~data] != 0).any()


def test_what_is_wrong_is_told():
    with pytest.raises(StudyError, match="give columns 'against'"):
        ReweightingAdversary(LABEL, against=[])
    _, batch = example(10)
    with pytest.raises(DataError, match="no spectator 'y'"):
        ReweightingAdversary(LABEL, against=["y"])({"label": torch.zeros(10, 1)}, batch)
