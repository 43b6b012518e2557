"""Differences under a shift: by value, and with an error that knows the events are the same."""

import numpy as np
import pytest

from bunchtrain.statistics.changes import Analysis, Scored, changes


def scored(seed=0, events=4000, shift=0.0):
    random = np.random.default_rng(seed)
    truth = np.arange(events) % 2 == 0
    score = random.normal(0.4 + 0.2 * truth, 0.12) + shift
    return Scored(np.arange(events), score, truth, np.ones(events))


ANALYSIS = Analysis({0.5: 0.6}, np.linspace(0, 1, 6), scale=0.1)


def test_no_shift_changes_nothing():
    for value, change in changes(ANALYSIS, scored(), scored()).values():
        assert change.value == 0
        assert change.error == 0
        assert value > 0


def test_a_common_shift_moves_the_cut_and_not_the_order():
    found = changes(ANALYSIS, scored(), scored(shift=0.05))
    assert found["auc"][1].value == pytest.approx(0, abs=1e-12)
    assert found["mistag_50"][1].value == pytest.approx(0, abs=1e-9)
    value, change = found["background_passing_50"]
    nominal = scored()
    background = nominal.score[~nominal.truth]
    assert value == pytest.approx((background >= 0.6).mean())
    assert change.value == pytest.approx((background >= 0.55).mean() - value)
    assert change.value > 3 * change.error


def test_error_of_the_change_is_that_of_repeated_experiments():
    spread, told = [], []
    for seed in range(25):
        nominal, noise = scored(seed), np.random.default_rng(1000 + seed).normal(0, 0.02, 4000)
        shifted = Scored(nominal.entry, nominal.score + noise, nominal.truth, nominal.weight)
        _, change = changes(ANALYSIS, nominal, shifted)["background_passing_50"]
        spread.append(change.value)
        told.append(change.error)
    assert np.mean(told) == pytest.approx(np.std(spread), rel=0.4)
