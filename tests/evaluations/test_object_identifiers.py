"""Identifiers of the true objects of points: equal ones, and those of no object."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError
from bunchtrain.evaluations._object_evaluation import place_of
from bunchtrain.statistics.cluster_matching import match_clusters


def test_an_identifier_of_no_object_is_named_with_its_event():
    lists = ak.Array([[1.0, 2.0], [3.0]])
    pairs = np.array([[0, 1], [1, 0]])
    assert place_of(lists, pairs, "particle").tolist() == [1, 2]
    pairs = np.array([[0, 1], [1, 4]])
    with pytest.raises(DataError, match="event 1 of the test set has points of the object 4"):
        place_of(lists, pairs, "particle")


def test_two_showers_with_one_number_are_one_object():
    event, energy = np.zeros(4, int), np.array([1.0, 1.0, 1.0, 1.0])
    cluster, number = np.array([0, 0, 1, 1]), np.zeros(4, int)
    made = match_clusters(event, cluster, number, energy)
    # Both clusters are pure, and neither has more than half of the energy.
    assert made.is_pure.all()
    assert not made.is_matched.any()
    assert made.true_energy.tolist() == [4.0, 4.0]


def test_an_energy_that_is_negative_is_named_with_event_and_point():
    made = parts.build("evaluation", "clustering_efficiency", {"energy": "hit_energy"})
    columns = {"hit_energy": ak.Array([[1.0], [1.0, -2.0]])}
    with pytest.raises(DataError, match="'hit_energy' of point 1 of event 1 of the test set is -2"):
        made._energy(columns, np.array([0, 1, 1]))
