import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics import (
    bias,
    half_width,
    linearity,
    profile,
    pull,
    quantile,
    standard_deviation,
    width_ratio,
)
from bunchtrain.statistics.regression import measure_regression

FUNCTIONS = (bias, standard_deviation, half_width)


def test_a_gaussian_gives_its_mean_and_width():
    values = np.random.default_rng(1).normal(3.0, 2.0, 50_000)
    for figure, expected in zip([f(values) for f in FUNCTIONS], [3.0, 2.0, 2.0], strict=True):
        assert figure.value == pytest.approx(expected, abs=4 * figure.error)
        assert figure.error < 0.02


@pytest.mark.parametrize("function", FUNCTIONS)
def test_errors_agree_with_repeated_samples_with_weights(function):
    rng = np.random.default_rng(2)
    draws = [(rng.gamma(3.0, size=800), rng.exponential(size=800)) for _ in range(1000)]
    figures = [function(*draw) for draw in draws]
    spread = np.std([figure.value for figure in figures])
    assert np.mean([figure.error for figure in figures]) == pytest.approx(spread, rel=0.15)


@given(st.lists(st.tuples(st.floats(-9, 9), st.integers(1, 4)), min_size=2, max_size=30))
def test_integer_weights_are_repetition(pairs):
    values, weights = (np.array(column) for column in zip(*pairs, strict=True))
    for function in (bias, standard_deviation):
        one, other = function(values, weights), function(np.repeat(values, weights))
        assert one.value == pytest.approx(other.value, abs=1e-6)


def test_quantiles_of_equal_weights():
    np.testing.assert_allclose(quantile(np.arange(10.0)[::-1], [0.05, 0.5, 0.95]), [0, 4.5, 9])


def test_linearity_is_the_slope_and_its_error_covers():
    pulls = []
    for seed in range(200):
        rng = np.random.default_rng(seed)
        truth = rng.uniform(20, 200, 500)
        figure = linearity(5 + 0.9 * truth + rng.normal(0, 0.1 * truth), truth)
        pulls.append((figure.value - 0.9) / figure.error)
    assert np.std(pulls) == pytest.approx(1, abs=0.15)


def test_profile_finds_bias_and_resolution_where_they_are():
    rng = np.random.default_rng(3)
    truth = rng.uniform(0, 10, 20_000)
    binned = profile(rng.normal(0.1 * truth, 1 + truth), truth)
    for centre, shift, width in zip(binned.centre, binned.bias, binned.resolution, strict=True):
        assert shift.value == pytest.approx(0.1 * centre, abs=5 * shift.error)
        assert width.value == pytest.approx(1 + centre, abs=5 * width.error + 0.03)


def test_measure_names_what_is_known():
    rng = np.random.default_rng(4)
    truth = rng.uniform(20, 200, 5000)
    prediction = rng.normal(truth, 0.1 * truth)
    metrics = measure_regression(prediction, truth, None, 0.1 * truth)
    assert metrics["response_width"]["value"] == pytest.approx(0.1, abs=0.006)
    width = metrics["pull_width"]
    assert width["value"] == pytest.approx(1, abs=5 * width["error"])
    assert set(measure_regression(prediction - 100, truth - 100)) == {
        "bias", "resolution", "half_width", "linearity"
    }  # fmt: skip


def test_unusable_predictions_are_refused():
    with pytest.raises(DataError, match=r"the predicted σ of event 1 is 0\.0, not positive"):
        pull(np.ones(2), np.ones(2), np.array([1.0, 0.0]))
    with pytest.raises(DataError, match="prediction of event 1 is not finite"):
        measure_regression(np.array([1.0, np.nan]), np.ones(2))
    with pytest.raises(DataError, match="do not fit"):
        measure_regression(np.ones(2), np.ones(3))


@pytest.mark.parametrize("correlation", [0.0, 0.9, -0.5])
def test_the_error_of_a_ratio_of_widths_is_its_spread_over_samples(correlation):
    rng = np.random.default_rng(5)
    found = []
    for _ in range(400):
        common, own = rng.normal(size=(2, 1500))
        other = correlation * common + np.sqrt(1 - correlation**2) * own
        found.append(width_ratio(0.7 * other, common, rng.uniform(0.5, 1.5, 1500)))
    values, errors = np.array([(one.value, one.error) for one in found]).T
    assert values.mean() == pytest.approx(0.7, abs=0.01)
    assert errors.mean() == pytest.approx(values.std(), rel=0.12)
    same = width_ratio(common, common)
    assert (same.value, same.error) == (1, 0)
