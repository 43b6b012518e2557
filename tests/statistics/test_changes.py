"""Changes of metrics under a shift, with errors that include the correlation of the events."""

import numpy as np
import pytest

from bunchtrain.statistics.auc_change import auc_change_std
from bunchtrain.statistics.changes import CutsAndBins, fix_cuts_and_bins, measure_changes
from bunchtrain.statistics.metrics import auc, roc
from bunchtrain.statistics.scored_events import ScoredEvents


def scored(seed=0, events=4000, shift=0.0):
    random = np.random.default_rng(seed)
    truth = np.arange(events) % 2 == 0
    score = random.normal(0.4 + 0.2 * truth, 0.12) + shift
    return ScoredEvents(np.arange(events), score, truth, np.ones(events))


FIXED = CutsAndBins({0.5: 0.6}, np.linspace(0, 1, 6), scale=0.1)


def test_no_shift_changes_nothing():
    for value, change in measure_changes(FIXED, scored(), scored()).values():
        assert change.value == 0
        assert change.error == 0
        assert value > 0


def test_a_common_shift_moves_the_cut_and_not_the_order():
    found = measure_changes(FIXED, scored(), scored(shift=0.05))
    assert found["auc"][1].value == pytest.approx(0, abs=1e-12)
    assert found["mistag_50"][1].value == pytest.approx(0, abs=1e-9)
    value, change = found["background_passing_50"]
    nominal = scored()
    background = nominal.score[~nominal.truth]
    assert value == pytest.approx((background >= 0.6).mean())
    assert change.value == pytest.approx((background >= 0.55).mean() - value)
    assert change.value > 3 * change.error


def test_error_of_the_change_is_that_of_repeated_experiments():
    values, errors = [], []
    for seed in range(25):
        nominal, noise = scored(seed), np.random.default_rng(1000 + seed).normal(0, 0.02, 4000)
        shifted = ScoredEvents(nominal.entry, nominal.score + noise, nominal.truth, nominal.weight)
        _, change = measure_changes(FIXED, nominal, shifted)["background_passing_50"]
        values.append(change.value)
        errors.append(change.error)
    assert np.mean(errors) == pytest.approx(np.std(values), rel=0.4)


def test_error_of_a_change_of_the_auc_is_that_of_few_repeated_experiments():
    """A small shift exchanges few pairs: a bootstrap of 60 events gives a third more."""
    values, errors = [], []
    for seed in range(400):
        nominal = scored(seed, 60)
        score = nominal.score + 0.03 * nominal.truth
        keep = np.arange(60) != 7  # an event that the shift removes
        columns = (nominal.entry, score, nominal.truth, nominal.weight)
        shifted = ScoredEvents(*(one[keep] for one in columns))
        values.append(area(shifted) - area(nominal))
        errors.append(auc_change_std(nominal, shifted))
    assert np.sqrt(np.mean(np.square(errors))) == pytest.approx(np.std(values), rel=0.1)
    order = np.random.default_rng(1).permutation(60)
    mixed = ScoredEvents(*(one[order] for one in vars(nominal).values()))
    assert auc_change_std(mixed, shifted) == pytest.approx(errors[-1])


def area(events):
    return auc(roc(events.score, events.truth, events.weight)).value


def test_cuts_and_bins_are_those_of_the_nominal_events():
    nominal = scored()
    found = fix_cuts_and_bins(nominal, (0.3, 0.5), scale=0.1, bins=4, min_background=20)
    for efficiency, cut in found.cuts.items():
        passed = (nominal.score >= cut)[nominal.truth]
        assert passed.mean() == pytest.approx(efficiency, abs=1e-3)
    assert 2 <= len(found.edges) <= 5
    background = nominal.score[~nominal.truth]
    assert (np.histogram(background, found.edges)[0] >= 20).all()
