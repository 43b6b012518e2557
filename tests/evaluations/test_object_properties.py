"""Energies and classes of objects, by brute force and by laws that a calibration finds."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain.errors import StudyError
from bunchtrain.evaluations._matched_clusters import at_centres, calibrated, matched
from bunchtrain.evaluations._object_properties import ObjectProperties, PropertyComparison
from bunchtrain.statistics.cluster_matching import match_clusters
from bunchtrain.targets import Target

TARGET = Target("shower", axis="point", values=("number", "log_energy", "hadron"))


def clusters(events=40, size=60, seed=1):
    """Return points in clusters, some of none, and their clusters."""
    random = np.random.default_rng(seed)
    event = np.repeat(np.arange(events), size)
    index, truth = random.integers(-1, 5, (2, len(event)))
    energy = random.exponential(1.0, len(event))
    return random, event, index, match_clusters(event, index, truth, energy)


def test_a_property_is_that_of_the_point_of_largest_beta():
    random, event, index, made = clusters()
    values, beta = random.uniform(0, 1, (2, len(event)))
    some = made[random.uniform(0, 1, len(made.event)) < 0.7]
    found = at_centres(values, beta, event, index, some)
    for row in range(len(some.event)):
        own = np.flatnonzero((event == some.event[row]) & (index == some.index[row]))
        assert found[row] == values[own[np.argmax(beta[own])]]
    none = made[np.zeros(len(made.event), bool)]
    assert at_centres(values, beta, event, np.full_like(index, -1), none).tolist() == []


def found_of(events=200, fraction=0.05):
    """Return two objects an event with a cluster each, and their energies, a power of the sums."""
    random = np.random.default_rng(2)
    event, index = np.repeat(np.arange(events), 2), np.tile([0, 1], events)
    energy = random.uniform(1, 20, 2 * events)
    visible = fraction * energy ** np.where(index == 0, 1.1, 0.9)
    made = match_clusters(event, index, index, visible)
    return matched(made, event, index, None), energy


def test_calibrated_sums_are_the_energies_where_a_power_law_holds():
    found, energy = found_of()
    kinds = found.identifier.astype(float)
    np.testing.assert_allclose(calibrated(found, energy, kinds), energy, rtol=1e-9)
    both = calibrated(found, energy) / energy  # one calibration of two laws
    assert np.std(both) > 0.05
    kinds[:5] = np.nan
    assert np.isnan(calibrated(found, energy, kinds)[:5]).all()


def test_a_calibration_is_of_the_other_half_of_the_events():
    found, energy = found_of()
    changed = np.where(found.event % 2 == 0, energy, 100 * energy)
    kinds = found.identifier.astype(float)
    expected = np.where(found.event % 2 == 0, 100 * energy, energy)
    np.testing.assert_allclose(calibrated(found, changed, kinds), expected, rtol=1e-9)


def test_objects_without_a_cluster_have_no_energy():
    event, truth, energy = np.zeros(4, int), np.array([0, 0, 1, 1]), np.ones(4)
    made = match_clusters(event, np.array([0, 0, -1, -1]), truth, energy)
    found = matched(made, np.zeros(2, int), np.array([0, 1]), None)
    assert found.found.tolist() == [True, False]
    assert found.sums[0] == 2.0
    assert np.isnan(found.sums[1])
    assert found.response.tolist() == [1.0]


def test_the_rows_of_a_confusion_matrix_are_fractions_of_the_true_class():
    class Table:
        weights = np.ones(3)

    compared = PropertyComparison(ObjectProperties(), Table(), TARGET, ak.Array([[]]), None)
    predicted, true = np.array([1.0, 0.0, 1.0, np.nan, 0.0]), np.array([1.0, 1.0, 0.0, 1.0, 0.0])
    cells = compared.confusion(predicted, true, np.array([0, 1, 1, 0, 2]))
    assert [[one.value for one in row] for row in cells] == [[0.5, 0.5], [0.5, 0.5]]
    assert all(one.error > 0 for row in cells for one in row)


def test_unknown_properties_are_refused():
    with pytest.raises(StudyError, match="has no property 'hadrons'; did you mean 'hadron'"):
        ObjectProperties(object_class="hadrons").check("evaluation", TARGET)
    with pytest.raises(StudyError, match="no property 'number'"):
        ObjectProperties(object_class="number").check("evaluation", TARGET)
    with pytest.raises(StudyError, match="are needed together"):
        ObjectProperties(log_energy="log_energy").check("evaluation", TARGET)
