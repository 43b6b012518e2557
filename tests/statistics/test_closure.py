"""Closure of a reweighting: none without weights, all of it with the true ones."""

import numpy as np
import pytest

from bunchtrain.statistics.closure import (
    closure,
    closure_auc,
    density_ratio_weights,
    reduced_chi2,
)


@pytest.fixture(scope="module")
def gaussians():
    """Simulation of mean 0 and data of mean 0.5, with the true log ratio of their densities."""
    random = np.random.default_rng(1)
    data = np.arange(6000) % 2 == 0
    x = random.normal(0.5 * data, 1.0)
    return {"x": x, "noise": random.normal(size=6000)}, data, 0.5 * x - 0.125


def test_chi2_of_equal_spectra_is_one_and_of_others_large(gaussians):
    inputs, data, _ = gaussians
    assert reduced_chi2(inputs["noise"], data, np.ones(6000)) == pytest.approx(1, abs=0.9)
    assert reduced_chi2(inputs["x"], data, np.ones(6000)) > 10
    assert reduced_chi2(np.ones(6000), data, np.ones(6000)) == 0


def test_the_true_ratio_closes(gaussians):
    inputs, data, log_ratio = gaussians
    before = closure(inputs, data, np.ones(6000))
    after = closure(inputs, data, density_ratio_weights(log_ratio, data, np.ones(6000)))
    assert before.auc.value - 0.5 > 5 * before.auc.error
    assert abs(after.auc.value - 0.5) < 3 * after.auc.error
    assert after.chi2["x"] < 2 < before.chi2["x"]
    assert before.share == 1 > after.share > 0.6


def test_weights_keep_the_sum_of_the_simulation_and_the_data(gaussians):
    _, data, log_ratio = gaussians
    weight = np.random.default_rng(2).random(6000)
    found = density_ratio_weights(log_ratio, data, weight)
    assert (found[data] == 1).all()
    assert (found * weight)[~data].sum() == pytest.approx(weight[~data].sum())
    steps = np.log(found[~data]) - log_ratio[~data]
    assert np.ptp(steps) == pytest.approx(0, abs=1e-9)


def test_the_classifier_is_not_trained_on_the_events_that_it_scores():
    random = np.random.default_rng(3)
    found = closure_auc(random.normal(size=(2000, 3)), np.arange(2000) % 2 == 0, np.ones(2000))
    assert abs(found.value - 0.5) < 3 * found.error
