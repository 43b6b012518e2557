import numpy as np
import pytest
from scipy.stats import spearmanr

from bunchtrain.statistics.correlation import mean_image, output_correlation, rank_correlation


def test_mean_and_correlation_are_those_of_numpy():
    random = np.random.default_rng(1)
    images, output = random.exponential(size=(200, 2, 3, 4)), random.uniform(size=200)
    images[:, 1, 2, 3] = 0.7
    np.testing.assert_allclose(mean_image(images), images.mean(axis=0))
    found = output_correlation(images, output)
    assert found.shape == (2, 3, 4)
    assert found[1, 2, 3] == 0
    assert found[1, 0, 2] == pytest.approx(np.corrcoef(images[:, 1, 0, 2], output)[0, 1])


def test_an_event_of_weight_two_counts_as_two_events():
    random = np.random.default_rng(2)
    images, output = random.exponential(size=(30, 1, 2, 2)), random.uniform(size=30)
    weights = random.integers(1, 3, 30)
    twice = np.repeat(np.arange(30), weights)
    np.testing.assert_allclose(
        output_correlation(images, output, weights),
        output_correlation(images[twice], output[twice]),
    )


def test_correlation_does_not_depend_on_the_scale_of_intensities():
    random = np.random.default_rng(3)
    images, output = random.exponential(size=(50, 1, 2, 2)), random.uniform(size=50)
    np.testing.assert_allclose(
        output_correlation(1000 * images + 3, output), output_correlation(images, -7 * output) * -1
    )


def test_rank_correlation_is_spearmans_and_zero_of_a_constant():
    values = np.random.default_rng(4).normal(size=(3, 100))
    values[1] += values[0] ** 3
    np.testing.assert_allclose(rank_correlation(values), spearmanr(values, axis=1).statistic)
    values[2] = 7
    found = rank_correlation(values)
    assert (found[2, :2] == 0).all()
    assert np.isfinite(found).all()
