"""Bins, templates, and what pyhf makes of them, against closed forms."""

import numpy as np
import pytest

from bunchtrain.errors import DataError, StudyError
from bunchtrain.statistics.likelihood.binning import optimal_binning
from bunchtrain.statistics.likelihood.expected import (
    expected_limit,
    expected_significance,
    limit_std,
)
from bunchtrain.statistics.likelihood.workspace import Template, histogram, workspace
from bunchtrain.statistics.metrics.significance import asimov


def sample(events=4000, seed=0):
    random = np.random.default_rng(seed)
    truth = np.arange(events) % 2 == 0
    return np.clip(random.normal(0.4 + 0.25 * truth, 0.15), 0, 1), truth


def total(scores, truth, edges, scale):
    s, _ = histogram(scores[truth], edges, scale=scale)
    b, _ = histogram(scores[~truth], edges, scale=scale)
    return np.sqrt((asimov(s, b) ** 2).sum())


def test_optimal_bins_beat_equal_ones_and_hold_enough_background():
    scores, truth = sample()
    edges = optimal_binning(scores, truth, bins=6, min_background=20, scale=0.05)
    assert 3 <= len(edges) <= 7
    assert (np.diff(edges) > 0).all()
    assert (np.histogram(scores[~truth], edges)[0] >= 20).all()
    equal = np.linspace(scores.min(), scores.max(), len(edges))
    quantiles = np.quantile(scores, np.linspace(0, 1, len(edges)))
    best = total(scores, truth, edges, 0.05)
    assert best > total(scores, truth, quantiles, 0.05)
    assert best > total(scores, truth, equal, 0.05) or (
        np.histogram(scores[~truth], equal)[0].min() < 20
    )


def test_optimal_binning_is_that_of_an_exhaustive_search():
    scores = np.repeat([0.1, 0.3, 0.5, 0.7], [40, 40, 40, 40])
    truth = np.concatenate([np.arange(40) < n for n in (2, 6, 15, 30)])
    edges = optimal_binning(scores, truth, bins=2, min_background=5)
    cuts = [0.2, 0.4, 0.6]
    found = total(scores, truth, edges, 1.0)
    assert found == pytest.approx(
        max(total(scores, truth, np.array([0, cut, 1]), 1.0) for cut in cuts)
    )


def test_more_bins_never_lose():
    scores, truth = sample(seed=3)
    totals = [total(scores, truth, optimal_binning(scores, truth, bins=n), 1.0) for n in (1, 3, 9)]
    assert totals == sorted(totals)


def test_binning_refuses_what_cannot_be():
    scores, truth = sample(40)
    with pytest.raises(DataError, match="fewer than 50 effective events"):
        optimal_binning(scores, truth, min_background=50)
    with pytest.raises(StudyError, match="at least one bin"):
        optimal_binning(scores, truth, bins=0)


def test_histogram_keeps_all_events():
    scores, _ = sample(500)
    sums, errors = histogram(scores, np.array([0.3, 0.5, 0.6]), scale=2.0)
    assert sums.sum() == pytest.approx(1000)
    assert errors == pytest.approx(2 * np.sqrt(sums / 2))


def counting(s=12.0, b=50.0, **background):
    none = np.zeros(1)
    return {
        "signal": Template(np.array([s]), none),
        "background": Template(np.array([b]), none, **background),
    }


def test_one_bin_gives_the_asimov_significance():
    pytest.importorskip("pyhf")
    spec = workspace(counting(), "signal", "score")
    assert expected_significance(spec) == pytest.approx(float(asimov(12.0, 50.0)), rel=1e-3)


def test_an_uncertain_rate_costs_what_the_formula_says():
    pytest.importorskip("pyhf")
    spec = workspace(counting(rate=0.1), "signal", "score")
    # normsys is a factor with a Gaussian constraint, the formula one of Poisson: alike to a few %.
    wanted = float(asimov(12.0, 50.0, uncertainty=0.1))
    assert expected_significance(spec) == pytest.approx(wanted, rel=0.03)


def test_a_shift_of_shape_costs_significance_and_limit():
    pytest.importorskip("pyhf")
    b, none = np.array([60.0, 30.0]), np.zeros(2)
    signal = Template(np.array([2.0, 10.0]), none)
    shift = {"scale": (b * [0.9, 1.25], b * [1.1, 0.8])}
    plain = workspace({"s": signal, "b": Template(b, none)}, "s", "score")
    shifted = workspace({"s": signal, "b": Template(b, none, shift)}, "s", "score")
    assert expected_significance(shifted) < 0.9 * expected_significance(plain)
    median, low, high = (expected_limit(shifted, index) for index in (2, 1, 3))
    assert low < median < high
    assert median > expected_limit(plain)


def test_limit_over_many_events_is_that_of_a_gaussian():
    pytest.importorskip("pyhf")
    spec = workspace(counting(s=1.0, b=1e4), "signal", "score")
    median, low, high = (expected_limit(spec, index) for index in (2, 1, 3))
    # CL_s = 5 % at Φ(1 − α/2) standard deviations, √b = 100; the band as in arXiv:1007.1727.
    assert median == pytest.approx(196.0, rel=0.02)
    assert low == pytest.approx(100 * 1.41, rel=0.02)
    assert high == pytest.approx(100 * 2.72, rel=0.02)


def test_the_error_of_the_limit_is_that_of_the_limits_of_all_replicas():
    pytest.importorskip("pyhf")
    random = np.random.default_rng(1)
    spec = workspace(counting(), "signal", "score")
    values = zip(random.normal(12, 0.6, 8), random.normal(50, 1.5, 8), strict=True)
    replicas = [workspace(counting(s, b), "signal", "score") for s, b in values]
    expected = np.std([expected_limit(one) for one in replicas], ddof=1)
    assert limit_std(spec, expected_limit(spec), replicas) == pytest.approx(expected, rel=0.1)
