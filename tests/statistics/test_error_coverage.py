"""Coverage of printed uncertainties: how often the truth of toys lies within one and two errors.

Both classes are normal in x, of unit width, a distance apart; the probability is the true one. With
weights exp(a x) they are normal about other means, so that all truths are known.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from scipy.special import expit
from scipy.stats import norm

from bunchtrain.statistics.metrics import (
    Measurement,
    accuracy,
    auc,
    background_rejection,
    calibration,
    half_width,
    log_loss,
    mean,
    roc,
    signal_efficiency,
    standard_deviation,
)

#: Toys in CI, where the fluctuation of a coverage is 2 %, and in `make nightly`.
FEW, MANY = 500, 10_000
METRICS = ("auc", "accuracy", "log_loss", "rejection", "signal_efficiency")


@dataclass(frozen=True)
class Population:
    """Events with x ~ N(±d/2, 1), half of them signal, weights exp(a x) or of both signs.

    tilt      a.
    negative  fraction of weights −1 in place of 1.
    """

    events: int = 2000
    distance: float = 1.0
    tilt: float = 0.0
    negative: float = 0.0
    efficiency: float = 0.5

    def toy(self, random):
        """Return scores (events, 2), truth and weights of a test set."""
        truth = random.integers(0, 2, self.events)
        x = random.normal((truth - 0.5) * self.distance)
        p = expit(self.distance * x)
        sign = np.where(random.random(self.events) < self.negative, -1.0, 1.0)
        return np.stack([1 - p, p], 1), truth, sign * np.exp(self.tilt * x)

    def truths(self):
        """Return metric → truth, from the weighted densities of x."""
        x = np.linspace(-15, 15, 200_001)
        weighted = np.exp(self.tilt * x)
        s, b = (norm.pdf(x, side * self.distance / 2) * weighted for side in (1, -1))
        p = expit(self.distance * x)
        total = s.sum() + b.sum()
        cut = self.distance / 2 + self.tilt + norm.isf(self.efficiency)
        return {
            "auc": norm.cdf(self.distance / np.sqrt(2)),
            "accuracy": (s[p > 0.5].sum() + b[p <= 0.5].sum()) / total,
            "log_loss": -(s @ np.log(p) + b @ np.log(expit(-self.distance * x))) / total,
            "rejection": 1 / norm.sf(cut + self.distance / 2 - self.tilt),
            "signal_efficiency": norm.sf(norm.isf(0.1) - self.distance),
        }

    def measure(self, scores, truth, weights):
        """Return metric → its measurement on a test set."""
        curve = roc(scores[:, 1], truth == 1, weights)
        return {
            "auc": auc(curve),
            "accuracy": accuracy(scores, truth, weights),
            "log_loss": log_loss(scores, truth, weights),
            "rejection": background_rejection(curve, self.efficiency),
            "signal_efficiency": signal_efficiency(curve, 0.1),
        }


def inside(found: Measurement, truth: float, deviations: int) -> bool:
    down, up = found.errors
    return bool(-deviations * down <= truth - found.value <= deviations * up)


def coverages(population: Population, toys: int, seed: int = 1) -> dict[str, tuple[float, float]]:
    """Return metric → fraction of toys whose truth is within one and two errors."""
    random, truths = np.random.default_rng(seed), population.truths()
    within = {name: np.zeros(2) for name in METRICS}
    for _ in range(toys):
        for name, found in population.measure(*population.toy(random)).items():
            within[name] += [inside(found, truths[name], k) for k in (1, 2)]
    return {name: tuple(counts / toys) for name, counts in within.items()}


LARGE = {
    "equal weights": Population(),
    "weights that follow the score": Population(tilt=0.5, events=4000),
    "negative weights": Population(negative=0.15, events=3000),
}
SMALL = {
    "few background events pass": Population(events=400, distance=1.64),
    "few events": Population(events=60, distance=1.5, efficiency=0.8),
}


@pytest.mark.parametrize("name", LARGE)
def test_errors_cover_as_often_as_they_say(name):
    for metric, (one, two) in coverages(LARGE[name], FEW).items():
        assert 0.62 < one < 0.75, metric
        assert 0.92 < two < 0.985, metric


@pytest.mark.nightly
@pytest.mark.parametrize("name", LARGE)
def test_errors_cover_as_often_as_they_say_in_many_toys(name):
    for metric, (one, two) in coverages(LARGE[name], MANY).items():
        assert 0.669 < one < 0.697, metric
        assert 0.948 < two < 0.961, metric


@pytest.mark.parametrize("name", SMALL)
def test_intervals_of_few_events_cover_as_often_as_they_say(name):
    for metric, (one, _) in coverages(SMALL[name], FEW).items():
        assert 0.61 < one < 0.77, metric


@pytest.mark.nightly
@pytest.mark.parametrize("name", SMALL)
def test_intervals_of_few_events_cover_in_many_toys(name):
    for metric, (one, _) in coverages(SMALL[name], MANY).items():
        assert 0.66 < one < 0.72, metric


def test_intervals_of_few_background_events_are_not_symmetric():
    random, population = np.random.default_rng(3), SMALL["few background events pass"]
    found = [population.measure(*population.toy(random))["rejection"] for _ in range(50)]
    assert all(one.interval and one.errors[1] > one.errors[0] for one in found)


def calibration_pulls(events: int, power: float, toys: int, seed: int = 1):
    """Return (value − truth)/error of the calibration error, (toys,), for y ~ p^power."""
    random = np.random.default_rng(seed)
    many = random.beta(2, 3, 1_000_000)
    gaps = np.bincount((many * 20).astype(int), many**power - many, 20)
    truth, pulls = np.abs(gaps).sum() / len(many), np.empty(toys)
    for k in range(toys):
        p = random.beta(2, 3, events)
        found = calibration(p, random.random(events) < p**power).expected_error
        pulls[k] = (found.value - truth) / found.error
    return pulls


@pytest.mark.nightly
@pytest.mark.parametrize("power", [1.0, 1.5])
def test_the_calibration_error_covers_in_many_toys(power):
    pulls = np.abs(calibration_pulls(10_000, power, MANY))
    assert 0.66 < np.mean(pulls < 1) < 0.71
    assert 0.945 < np.mean(pulls < 2) < 0.985


def test_errors_hold_where_weights_follow_the_value():
    """Mean, standard deviation and half width of a normal distribution with weights exp(x/2)."""
    random, within = np.random.default_rng(2), np.zeros(3)
    for _ in range(400):
        x = random.normal(size=2000)
        w = np.exp(x / 2)
        for k, (measure, truth) in enumerate(
            ((mean, 0.5), (standard_deviation, 1.0), (half_width, 1.0))
        ):
            found = measure(x, w)
            within[k] += abs(found.value - truth) < found.error
    assert (abs(within / 400 - 0.683) < 0.08).all(), within / 400
