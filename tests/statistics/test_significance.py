import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunchtrain.errors import StudyError
from bunchtrain.statistics.metrics import best_cut, excess_significance, roc
from bunchtrain.statistics.metrics.significance import MEASURES, ams, asimov


def test_published_formulas_by_value():
    assert asimov(10, 100) == pytest.approx(np.sqrt(2 * (110 * np.log(1.1) - 10)))
    assert ams(10, 90) == pytest.approx(asimov(10, 100))


@given(st.floats(1, 1e3), st.floats(10, 1e4), st.floats(0.05, 0.5))
def test_asimov_with_uncertainty_is_the_profile_likelihood_ratio(s, b, uncertainty):
    # The background is measured in a control region with τ times as much of it, τ = b/σ².
    tau = 1 / (uncertainty**2 * b)
    without_signal = (s + b + tau * b) / (1 + tau)
    ratio = poisson(s + b, without_signal) + poisson(tau * b, tau * without_signal)
    best = poisson(s + b, s + b) + poisson(tau * b, tau * b)
    assert asimov(s, b, uncertainty) == pytest.approx(np.sqrt(2 * (best - ratio)), rel=1e-3)


def poisson(count, mean):
    return count * np.log(mean) - mean


@given(st.floats(0.1, 1e3), st.floats(10, 1e5))
def test_asimov_lies_below_s_over_sqrt_b_and_falls_with_uncertainty(s, b):
    assert asimov(s, b) <= s / np.sqrt(b) * (1 + 1e-6)
    assert asimov(s, b, 0.1) <= asimov(s, b) * (1 + 1e-6)
    assert asimov(s, b, 1e-4) == pytest.approx(asimov(s, b), rel=0.01)


@pytest.mark.parametrize("name", MEASURES)
def test_the_best_cut_is_the_best_of_all_cuts(name):
    rng = np.random.default_rng(3)
    truth = np.repeat([False, True], 2000)
    scores, weights = rng.normal(truth), rng.uniform(0.5, 1.5, 4000)
    best = best_cut(roc(scores, truth, weights), name, scale=0.1)
    kept = scores >= best.cut
    s, b = 0.1 * weights[kept & truth].sum(), 0.1 * weights[kept & ~truth].sum()
    assert best.signal == pytest.approx(s)
    assert best.significance.value == pytest.approx(float(MEASURES[name](s, b)))
    assert best.purity == pytest.approx(s / (s + b))
    for cut in np.quantile(scores, [0, 0.3, 0.6, 0.9]):
        s, b = (0.1 * weights[(scores >= cut) & chosen].sum() for chosen in (truth, ~truth))
        assert MEASURES[name](s, b) <= best.significance.value * (1 + 1e-12)


def test_the_error_is_propagated_from_both_counts():
    curve = roc(np.zeros(500), np.arange(500) < 100)
    best = best_cut(curve, "s_over_sqrt_b")
    relative = np.hypot(1 / np.sqrt(100), 0.5 / np.sqrt(400))
    assert best.significance.error == pytest.approx(5 * relative, rel=0.01)


def test_a_cut_that_leaves_a_handful_of_background_is_not_the_best():
    scores = np.concatenate([np.linspace(0, 1, 1000), np.linspace(0.5, 1, 1000)])
    assert best_cut(roc(scores, np.arange(2000) >= 1000), "s_over_sqrt_b").background >= 10


def test_unknown_measures_name_the_nearest():
    curve = roc(np.arange(4), np.arange(4) > 1)
    with pytest.raises(StudyError, match="no significance 'asimow'; did you mean 'asimov'"):
        best_cut(curve, "asimow")


def test_the_significance_of_a_count_has_its_sign_and_holds_for_none():
    z = np.sqrt(2 * (30 * np.log(2 * 30 / 40) + 10 * np.log(2 * 10 / 40)))
    assert excess_significance(30, 10, 1) == pytest.approx(z)
    assert excess_significance(10, 30, 1) == pytest.approx(-z)
    assert excess_significance(0, 8, 1) == pytest.approx(-np.sqrt(16 * np.log(2)))
    assert excess_significance(5, 0, 3) == pytest.approx(np.sqrt(10 * np.log(4)))


@given(st.floats(0, 1e3), st.floats(10, 1e4), st.floats(0.05, 0.5))
def test_the_significance_of_a_count_is_that_of_asimov_data(s, b, uncertainty):
    tau = 1 / (uncertainty**2 * b)
    found = excess_significance(s + b, tau * b, tau)
    assert found == pytest.approx(asimov(s, b, uncertainty), rel=1e-3, abs=1e-3)


def test_the_significance_of_a_count_without_a_signal_is_normal():
    random = np.random.default_rng(1)
    z = excess_significance(random.poisson(40, 20_000), random.poisson(120, 20_000), 3)
    assert np.mean(z) == pytest.approx(0, abs=0.04)
    assert np.std(z) == pytest.approx(1, abs=0.02)
