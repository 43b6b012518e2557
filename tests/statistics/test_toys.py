"""p-values by toys, and the statistics of two-sample tests, by value."""

import numpy as np
import pytest
from scipy import stats

from bunchtrain.statistics.toys import clopper_pearson, p_value, p_values, power, uniformity
from bunchtrain.statistics.two_sample import binned_chi_squared, energy_distance, largest_ks


def test_a_p_value_counts_toys_with_a_binomial_interval():
    found = p_value(96.0, np.arange(1.0, 101.0))
    assert (found.exceeding, found.toys) == (5, 100)
    assert found.value.value == pytest.approx(6 / 101)
    known = stats.binomtest(5, 100).proportion_ci(0.6827, "exact")
    assert found.value.interval == pytest.approx((known.low, max(known.high, 6 / 101)))
    assert found.significance.value == pytest.approx(stats.norm.isf(6 / 101))
    none = p_value(101.0, np.arange(1.0, 101.0))
    assert none.value.value == pytest.approx(1 / 101)
    assert none.significance.limit
    assert clopper_pearson(0, 10, 0.90)[1] == pytest.approx(1 - 0.05**0.1)


def test_the_chi_squared_of_toys_is_found_with_its_goodness():
    null = stats.chi2(7).rvs(2000, random_state=1)
    found = p_value(20.0, null)
    assert found.degrees == pytest.approx(7, abs=0.3)
    assert found.chi_squared == pytest.approx(stats.chi2.sf(20, 7), rel=0.3)
    assert found.goodness > 0.01
    assert np.isnan(p_value(1.0, null - 10).chi_squared)


def test_p_values_of_the_null_are_uniform_and_power_rises_with_the_signal():
    null, other = np.random.default_rng(1).normal(size=(2, 400))
    assert uniformity(other, null) > 0.01
    assert uniformity(other + 1, null) < 1e-6
    assert power(other, null, 0.05).value == pytest.approx(0.05, abs=0.04)
    assert power(other + 3, null, 0.05).value == pytest.approx(0.91, abs=0.05)
    assert p_values(np.array([null.max() + 1]), null) == pytest.approx([1 / 401])


def test_two_sample_statistics_are_those_of_scipy():
    random = np.random.default_rng(2)
    first, second = random.normal(size=(300, 1)), random.normal(0.3, 1, size=(200, 1))
    ks = stats.ks_2samp(first[:, 0], second[:, 0]).statistic
    assert largest_ks(first, second) == pytest.approx(ks * np.sqrt(300 * 200 / 500))
    double = (np.ones(300), np.full(200, 2.0))  # weights alone change nothing
    assert largest_ks(first, second, double) == pytest.approx(largest_ks(first, second))
    scale = np.concatenate([first, second]).std()
    distance = stats.energy_distance(first[:, 0], second[:, 0]) ** 2 / scale
    assert energy_distance(first, second) == pytest.approx(120 * distance, rel=1e-6)
    assert binned_chi_squared(first, first) == 0
    null = [binned_chi_squared(*random.normal(size=(2, 500, 1)), bins=10) for _ in range(200)]
    assert np.mean(null) == pytest.approx(9, abs=1)  # ten bins of equal sums
