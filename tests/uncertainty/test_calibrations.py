"""Calibrations by value: temperatures that are found, coverage that is kept."""

import math

import pytest
import torch

from bunchtrain.errors import DataError, StudyError
from bunchtrain.targets import Quantity, Target
from bunchtrain.uncertainty.calibrations.conformal import Conformal
from bunchtrain.uncertainty.calibrations.temperature import Temperature

CLASSES = Target("jet", ("b", "c", "light"))
VALUES = Target("jet", (), ("energy", "mass"))


ENERGY = Quantity("energy")
SIGMA = Quantity("energy", "sigma")


def by_class(probabilities):
    return dict(zip(map(Quantity, CLASSES.classes), probabilities.unbind(1), strict=True))


def classes(events=40_000, sharpen=2.0):
    torch.manual_seed(1)
    logits = torch.randn(events, 3) * 1.5
    truth = torch.multinomial(logits.softmax(1), 1)[:, 0]
    scores = by_class((logits * sharpen).softmax(1))
    return scores, truth, torch.ones(events)


def values(events=2000):
    torch.manual_seed(2)
    sigma = torch.rand(events) + 0.5
    truth = torch.randn(events, 2)
    shifts = torch.randn(events, 2) * torch.stack([3 * sigma, torch.full((events,), 0.2)], 1)
    scores = {ENERGY: truth[:, 0] + shifts[:, 0], Quantity("mass"): truth[:, 1] + shifts[:, 1]}
    return scores | {SIGMA: sigma}, truth, torch.ones(events)


def test_the_temperature_by_which_logits_were_sharpened_is_found():
    scores, truth, weight = classes(sharpen=2.0)
    made = Temperature(CLASSES)
    made.fit(scores, truth, weight)
    assert made.numbers["temperature"][0] == pytest.approx(2.0, rel=0.05)


def test_temperature_divides_the_logits():
    logits = torch.randn(6, 3)
    scores = by_class(logits.softmax(1))
    made = Temperature(CLASSES)
    made.numbers = {"temperature": [1.7]}
    found = torch.stack([made.apply(scores)[Quantity(name)] for name in CLASSES.classes], 1)
    torch.testing.assert_close(found, (logits / 1.7).softmax(1))


def test_deviations_of_probabilities_follow_the_temperature():
    """For two classes, to first order: sigmoid(l + δ) → sigmoid((l + δ)/T)."""
    pair, logit, step = Target("jet", ("b", "c")), torch.linspace(-4, 4, 9), 1e-3
    p = logit.sigmoid()
    moved = (logit + step).sigmoid() - p
    made = Temperature(pair)
    made.numbers = {"temperature": [2.5]}
    of_c = Quantity("c", "sigma")
    found = made.apply({Quantity("b"): 1 - p, Quantity("c"): p, of_c: moved})[of_c]
    expected = ((logit + step) / 2.5).sigmoid() - (logit / 2.5).sigmoid()
    torch.testing.assert_close(found, expected, rtol=0.01, atol=1e-7)


def test_width_is_scaled_to_unit_pulls_or_made():
    scores, truth, weight = values(40_000)
    made = Temperature(VALUES)
    made.fit(scores, truth, weight)
    found = made.apply(scores)
    torch.testing.assert_close(found[SIGMA], 3 * scores[SIGMA], rtol=0.02, atol=0)
    torch.testing.assert_close(
        found[Quantity("mass", "sigma")], torch.full((40_000,), 0.2), rtol=0.02, atol=0
    )


def test_conformal_quantile_by_hand():
    """Ten misfits 1 … 10 at a level of 0.7: the ⌈11 · 0.7⌉ = 8th smallest."""
    one = Target("jet", (), ("energy",))
    made = Conformal(one, levels=(0.7,))
    shuffled = torch.tensor([3.0, 9, 1, 10, 2, 7, 5, 8, 4, 6])
    made.fit({ENERGY: shuffled}, torch.zeros(10, 1), torch.ones(10))
    assert made.numbers["energy"] == [8.0]
    found = made.apply({ENERGY: torch.tensor([20.0])})
    assert tuple(found[Quantity("energy", end, 0.7)] for end in ("low", "high")) == (12, 28)


@pytest.mark.parametrize("level", [0.5, 0.68, 0.9])
def test_exchangeable_events_are_covered_as_promised(level):
    """Over many small validation sets, the mean coverage is between α and α + 1/(n + 1)."""
    torch.manual_seed(4)
    one, events, inside = Target("jet", (), ("energy",)), 19, []
    for _ in range(400):
        made, truth = (
            Conformal(one, levels=(level,)),
            torch.distributions.StudentT(3.0).sample((69,)),
        )
        zeros = torch.zeros(69)
        made.fit({ENERGY: zeros[:events]}, truth[:events, None], torch.ones(events))
        reach = made.numbers["energy"][0]
        inside.append((truth[events:].abs() <= reach).float().mean())
    covered = float(torch.stack(inside).mean())
    error = math.sqrt(level * (1 - level) / events / 400) + 0.004
    assert level - 3 * error < covered < level + 1 / (events + 1) + 3 * error


def test_sets_of_classes_hold_the_truth():
    scores, truth, weight = classes()
    half = len(truth) // 2
    made = Conformal(CLASSES, levels=(0.8,))
    made.fit({k: v[:half] for k, v in scores.items()}, truth[:half], weight[:half])
    found = made.apply({k: v[half:] for k, v in scores.items()})
    sets = torch.stack([found[Quantity(name, "in_set", 0.8)] for name in CLASSES.classes])
    assert sets.gather(0, truth[None, half:]).mean() == pytest.approx(0.8, abs=0.01)


def test_integer_weights_are_repetition():
    scores, truth, _ = values(400)
    weight = torch.arange(400) % 3 + 1
    rows = torch.arange(400).repeat_interleave(weight)
    one, other = Temperature(VALUES), Temperature(VALUES)
    one.fit(scores, truth, weight.float())
    other.fit({k: v[rows] for k, v in scores.items()}, truth[rows], torch.ones(len(rows)))
    assert one.numbers["energy"] == pytest.approx(other.numbers["energy"])


def test_too_few_events_for_a_level_are_refused():
    made = Conformal(Target("jet", (), ("energy",)), levels=(0.95,))
    with pytest.raises(DataError, match=r"10 validation events are too few for a level of 0\.95"):
        made.fit({ENERGY: torch.arange(10.0)}, torch.zeros(10, 1), torch.ones(10))


def test_levels_outside_0_and_1_are_refused():
    with pytest.raises(StudyError, match="'levels' must be numbers between 0 and 1"):
        Conformal(CLASSES, levels=(68.0,))
