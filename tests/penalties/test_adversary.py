"""The adversary: densities by value, gradients reversed, knowledge in nats, schedules."""

import math

import pytest
import torch
from torch.distributions import Categorical, MixtureSameFamily, Normal
from torch.nn import functional

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.penalties._densities import Binned, Mixture
from bunchtrain.penalties.adversary import Adversary
from bunchtrain.targets import Target
from bunchtrain.training.game import Game

LABEL = Target("label", classes=("qcd", "top"))


def example(events=400, seed=0):
    """The logit and the column are Gaussians with a correlation of 0.8."""
    random = torch.Generator().manual_seed(seed)
    logit, noise = torch.randn(2, events, generator=random)
    mass = 80 + 30 * (0.8 * logit + 0.6 * noise)
    label = torch.randint(2, (events,), generator=random)
    output = torch.stack([torch.zeros(events), logit], 1)
    return output, Batch({}, {"label": label}, torch.ones(events), {"mass": mass})


def value(penalty, output, batch):
    return penalty({"label": output}, batch)


def test_a_mixture_is_that_of_torch():
    density, parameters = Mixture(3), torch.randn(50, 9, generator=torch.manual_seed(0))
    column = 5 + 2 * torch.randn(50, generator=torch.manual_seed(1))
    density.initialise(column)
    weights, means, logs = parameters.chunk(3, 1)
    expected = MixtureSameFamily(Categorical(logits=weights), Normal(means, logs.exp()))
    z = (column - column.mean()) / column.std(unbiased=False)
    torch.testing.assert_close(density(parameters, column), -expected.log_prob(z))


def test_bins_are_a_cross_entropy():
    logits = torch.randn(4, 3, generator=torch.manual_seed(0))
    found = Binned([0.0, 1.0, 2.0, 3.0])(logits, torch.tensor([-1.0, 1.0, 1.5, 9.0]))
    expected = functional.cross_entropy(logits, torch.tensor([0, 1, 1, 2]), reduction="none")
    torch.testing.assert_close(found, expected)


def test_the_adversary_gains_information_and_the_classifier_removes_it():
    """One small step of each along its own gradient."""
    output, batch = example()
    penalty = Adversary(LABEL, against="mass")
    output.requires_grad_()
    value(penalty, output, batch).mean().backward()
    penalty.zero_grad()
    penalty.opponent_losses({"label": output.detach()}, batch).mean().backward()

    def information(scores):
        return value(penalty, scores, batch).mean()

    penalty.eval()
    with torch.no_grad():
        before = information(output)
        assert information(output - 10 * output.grad) < before
        for parameter in penalty.networks.parameters():
            parameter -= 0.01 * parameter.grad
        assert information(output) > before


@pytest.mark.parametrize("edges", [None, [0.0, 60.0, 80.0, 100.0, 160.0]])
def test_it_finds_the_mutual_information(edges):
    """−½ ln(1 − ρ²) = 0.51 nats for Gaussians; bins hold a part of them."""
    output, batch = example(4000)
    penalty = Adversary(LABEL, against="mass", edges=edges, components=2)
    game = Game([penalty], 0.02, lambda values: values)
    for _ in range(250):
        game.train({"label": output}, batch)
    found = value(penalty.eval(), output, batch).mean().item()
    whole = -math.log(1 - 0.8**2) / 2
    assert found == pytest.approx(whole, abs=0.06) if edges is None else 0.6 * whole < found < whole


def test_strength_follows_the_schedule_and_is_kept_with_the_state():
    output, batch = example(20)
    penalty = Adversary(LABEL, against="mass", alone=2, ramp=1)
    strengths = []
    for _ in range(5):
        strengths.append(penalty.strength().item())
        score = output.clone().requires_grad_()
        value(penalty, score, batch).sum().backward()
        assert bool((score.grad != 0).any()) == (strengths[-1] > 0)
    assert strengths == [0, 0, 0.5, 1, 1]
    again = Adversary(LABEL, against="mass", alone=2, ramp=1)
    again.load_state_dict(penalty.state_dict())
    expected = value(penalty.eval(), output, batch)
    torch.testing.assert_close(value(again.eval(), output, batch), expected)
    assert int(penalty.steps) == 5


def test_other_classes_are_not_looked_at():
    output, batch = example(50)
    terms = value(Adversary(LABEL, against="mass", classes=["qcd"]), output, batch)
    assert terms.shape == (50,)
    assert ((terms != 0) == (batch.targets["label"] == 0)).all()


def test_the_classifier_begins_as_without_an_adversary():
    torch.manual_seed(3)
    expected = torch.rand(1)
    torch.manual_seed(3)
    Adversary(LABEL, against="mass")
    assert torch.equal(torch.rand(1), expected)


def test_more_steps_bring_the_adversary_further_and_leave_the_classifier():
    output, batch = example()
    output.requires_grad_()
    known = {}
    for steps in (1, 40):
        torch.manual_seed(0)
        penalty = Adversary(LABEL, against="mass", steps=steps, learning_rate=0.01)
        before = output.detach().clone()
        Game([penalty], 1.0, lambda values: values).train({"label": output}, batch)
        assert (output.detach() == before).all()
        assert output.grad is None
        assert all(p.grad is None for p in penalty.parameters())
        known[steps] = value(penalty.eval(), output, batch).mean().item()
    assert known[40] > known[1] + 0.01


def test_the_steps_go_by_the_event_weights():
    """Events of weight 0 change nothing in the adversary, whatever their column is."""
    output, batch = example()
    learnt = []
    for strange in (0.0, 1e3):
        torch.manual_seed(0)
        penalty = Adversary(LABEL, against="mass", steps=5)
        penalty.density.initialise(batch.spectators["mass"])
        column = batch.spectators["mass"].clone()
        column[::2] += strange
        weight = (torch.arange(len(column)) % 2).float()
        seen = Batch({}, batch.targets, weight, {"mass": column})
        Game([penalty], 0.1, lambda values: values).train({"label": output}, seen)
        learnt.append(torch.cat([p.flatten() for p in penalty.networks.parameters()]))
    torch.testing.assert_close(*learnt)


def test_old_options_are_those_of_a_trained_model_and_of_a_study():
    options = {"against": "mass", "inner": 4, "inner_rate": 0.1}
    assert parts.build("loss", "adversary", options, LABEL).opponent.steps == 4
