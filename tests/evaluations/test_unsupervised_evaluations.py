"""Known answers of the two-sample test, and of the distance of two samples."""

from types import SimpleNamespace

import numpy as np
import pytest

from bunchtrain.evaluations.anomaly_detection import AnomalyDetection
from bunchtrain.evaluations.anomaly_scores import AnomalyScores
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


def test_scores_without_truth_have_a_mean_an_agreement_and_the_most_unusual_rows():
    random = np.random.default_rng(4)
    first = random.normal(size=500)
    found = {"a": first, "b": 3 * first + 10, "c": random.normal(size=500)}
    columns = {"entry": 1000 + np.arange(500)}
    table = SimpleNamespace(
        columns=columns,
        estimators=list(found),
        trainings=lambda name: [name],
        scores=lambda training: {"anomaly_score": found[training]},
        weights=np.ones(500),
    )
    run = SimpleNamespace(predictions=table, study=SimpleNamespace(windows=None))
    results = AnomalyScores(rows=3).evaluate(run)
    score = results.metrics["b"]["anomaly_mean_score"]
    assert score["value"] == pytest.approx(10 + 3 * first.mean())
    assert score["error"] == pytest.approx(3 * first.std() / 500**0.5, rel=0.02)
    agreement = {name: one["anomaly_agreement"] for name, one in results.metrics.items()}
    assert abs(agreement["c"]["value"]) < 4 * agreement["c"]["error"]
    assert agreement["a"]["value"] > 0.5
    assert [len(row) for row in results.tables[0].rows] == [4, 4, 4]
    assert results.tables[0].rows[0][0] >= 1000
