"""Known answers of the two-sample test, and of the distance of two samples."""

from types import SimpleNamespace

import numpy as np
import pytest

from bunchtrain.evaluations.anomaly_detection import AnomalyDetection
from bunchtrain.plots import plot_samples
from bunchtrain.statistics.two_sample import classifier_auc, wasserstein
from bunchtrain.targets import Target


def test_a_classifier_does_not_separate_equal_samples_and_separates_others():
    random = np.random.default_rng(1)
    first, second = random.normal(size=(2, 3000, 2))
    same = classifier_auc(first, second)
    assert abs(same.value - 0.5) < 4 * same.error
    shifted = classifier_auc(first, second + np.array([1.0, 0.0]))
    # Of two unit Gaussians one standard deviation apart the best AUC is Φ(1/√2) = 0.760.
    assert shifted.value == pytest.approx(0.760, abs=0.03)


def test_the_distance_of_shifted_samples_is_the_shift_in_standard_deviations():
    random = np.random.default_rng(2)
    first = 3 * random.normal(size=4000)
    found = wasserstein(first, 3 * random.normal(size=4000) + 1.5)
    assert found.value == pytest.approx(0.5, abs=3 * found.error)
    assert 0 < found.error < 0.05


def test_samples_are_drawn_with_their_ratio():
    random = np.random.default_rng(3)
    figure = plot_samples(
        {"test set": random.normal(size=1000), "flow": random.normal(size=2000)}, "jet_mass"
    )
    above, below = figure.axes
    assert [text.get_text() for text in above.get_legend().get_texts()] == ["test set", "flow"]
    assert below.get_ylabel() == "Ratio to test set"


def test_rows_of_a_series_count_as_one_for_the_uncertainty():
    """Each series has 25 equal rows, so that the error is that of a fifth of √rows."""
    random, copies = np.random.default_rng(1), 25
    truth = np.repeat(random.integers(0, 2, 400), copies)
    score = np.repeat(random.normal(truth[::copies]), copies)
    table = SimpleNamespace(
        truth=lambda name: truth,
        scores=lambda training: {"anomaly_score": score},
        weights=np.ones(len(truth)),
    )
    series = np.repeat(np.arange(400), copies)
    target = Target("state", classes=("normal", "fault"))
    alone, together = (
        AnomalyDetection()._measure(table, target, 0, blocks, "a")["anomaly_auc"]
        for blocks in (None, series)
    )
    assert together["value"] == alone["value"]
    assert together["error"] == pytest.approx(5 * alone["error"], rel=0.25)
