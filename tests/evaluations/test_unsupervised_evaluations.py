"""Known answers of the two-sample test, and of the distance of two samples."""

import numpy as np
import pytest

from bunchtrain.plots import plot_samples
from bunchtrain.statistics.two_sample import classifier_auc, wasserstein


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
