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
from bunchtrain.statistics.likelihood.workspace import (
    Template,
    histogram,
    unphysical_bins,
    workspace,
)
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


@pytest.mark.parametrize("scale", [1e-2, 1.0, 1e3, 1e7])
@pytest.mark.parametrize("bins", [1, 4])
def test_significance_and_limit_are_closed_forms_for_any_number_of_events(scale, bins):
    pytest.importorskip("pyhf")
    random = np.random.default_rng(bins)
    b, s = scale * random.uniform(500, 2000, bins), scale * random.uniform(50, 1500, bins)
    none = np.zeros(bins)
    spec = workspace({"b": Template(b, none), "s": Template(s, none)}, "s", "c")
    asimov_z = np.sqrt(np.sum(2 * ((s + b) * np.log1p(s / b) - s)))
    assert expected_significance(spec) == pytest.approx(asimov_z, rel=1e-7)
    mu = expected_limit(spec)
    q = 2 * np.sum(mu * s - b * np.log1p(mu * s / b))
    assert np.sqrt(q) == pytest.approx(1.959964, rel=1e-4)


@pytest.mark.filterwarnings("ignore:jsonschema:DeprecationWarning")
def test_limits_are_those_of_pyhf_with_every_kind_of_uncertainty():
    pyhf = pytest.importorskip("pyhf")
    b, s = np.array([500.0, 80, 10]), np.array([5.0, 10, 8])
    shifts = {"scale": (1.1 * b, b * [0.95, 0.9, 0.8])}
    templates = {"b": Template(b, 0.05 * b, shifts, 0.1), "s": Template(s, 0.05 * s)}
    spec = workspace(templates, "s", "c")
    space = pyhf.Workspace(spec)
    model = space.model(poi_name="mu")
    for index in (0, 2, 4):
        limit = expected_limit(spec, index)
        _, band = pyhf.infer.hypotest(limit, space.data(model), model, return_expected_set=True)
        assert float(band[index]) == pytest.approx(0.05, rel=1e-3)


@pytest.mark.filterwarnings("ignore:jsonschema:DeprecationWarning")
def test_a_negative_bin_of_one_background_is_kept_and_listed():
    pyhf = pytest.importorskip("pyhf")
    templates = {
        "a": Template(np.array([50.0, -3.0]), np.array([5.0, 4.0])),
        "b": Template(np.array([50.0, 13.0]), np.array([5.0, 3.0])),
        "s": Template(np.array([5.0, 5.0]), np.ones(2)),
    }
    spec = workspace(templates, "s", "c")
    assert spec["observations"][0]["data"] == [100.0, 10.0]
    for sample in spec["channels"][0]["samples"]:
        assert sample["data"] == templates[sample["name"]].nominal.tolist()
    assert unphysical_bins(templates, "s") == [
        "The expected events of 'a' are negative in bin 2 (-3); it is kept, as the total is "
        "positive."
    ]
    model = pyhf.Workspace(spec).model()
    parameters = np.array(model.config.suggested_init())
    parameters[model.config.poi_index] = 0
    assert model.expected_actualdata(parameters).tolist() == [100.0, 10.0]
    assert 0 < expected_significance(spec) < np.inf
    assert 0 < expected_limit(spec) < np.inf


@pytest.mark.parametrize("seed", range(5))
def test_data_and_model_agree_whatever_the_templates(seed):
    random = np.random.default_rng(seed)
    templates = {
        name: Template(
            random.normal(2, 5, 6),
            random.exponential(1, 6),
            {"effect": (random.normal(2, 5, 6), random.normal(2, 5, 6))},
        )
        for name in ("a", "b", "s")
    }
    spec = workspace(templates, "s", "c")
    samples = {one["name"]: one for one in spec["channels"][0]["samples"]}
    total = np.add(samples["a"]["data"], samples["b"]["data"])
    assert total.tolist() == spec["observations"][0]["data"]
    assert (total > 0).all()
    assert min(samples["s"]["data"]) >= 0
    for side in ("hi_data", "lo_data"):
        shifted = [
            modifier["data"][side]
            for name in ("a", "b")
            for modifier in samples[name]["modifiers"]
            if modifier["type"] == "histosys"
        ]
        assert (np.sum(shifted, 0) > 0).all()
    listed = " ".join(unphysical_bins(templates, "s"))
    assert "negative" in listed


def test_bins_have_no_negative_signal():
    random = np.random.default_rng(2)
    scores, truth = sample(seed=2)
    weights = np.where(random.random(len(scores)) < 0.4, -1.0, 1.0)
    edges = optimal_binning(scores, truth, weights, bins=8, min_background=2)
    assert histogram(scores[truth], edges, weights[truth])[0].min() > -1e-6
