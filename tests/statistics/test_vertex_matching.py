"""Matching of vertices and collisions by hand, and the dip of the distances of pairs."""

import numpy as np
import pytest

from bunchtrain.statistics.vertex_matching import (
    BINS,
    REACH,
    dip,
    distances,
    fit_dip,
    match_vertices,
    nearest,
    separation,
)


def test_the_nearest_place_is_of_the_same_event():
    index, apart = nearest(
        np.array([0, 0, 1, 2]), np.array([1.0, 5.0, 5.0, 0.0]),
        np.array([1, 0, 0]), np.array([4.0, 3.5, -1.0]),
    )  # fmt: skip
    assert index.tolist() == [2, 1, 0, -1]
    assert apart.tolist() == [2.0, 1.5, 1.0, np.inf]
    assert nearest(np.array([0]), np.array([1.0]), *(np.zeros(0),) * 2)[0].tolist() == [-1]


def test_events_by_hand_have_known_found_false_and_split_vertices():
    # Event 0: collisions at 0, 10 and 10.4 count, one at 20 does not. Event 1 has none that counts.
    event, z = np.array([0, 0, 0, 0, 1]), np.array([0.0, 10.0, 10.4, 20.0, 3.0])
    counts = np.array([True, True, True, False, False])
    of = np.array([0, 0, 0, 0, 0, 1])
    place = np.array([0.1, -0.3, 10.1, 20.2, 50.0, 9.0])
    found = match_vertices(of, place, event, z, counts, 0.5)
    assert found.false.tolist() == [False, False, False, False, True, True]
    assert found.of.tolist() == [0, 0, 1, -1, -1, -1]
    assert found.split.tolist() == [False, True, False, False, False, False]
    assert found.found.tolist() == [True, True, True]
    assert found.vertex.tolist() == [0, 2, -1]  # the third collision shares its vertex
    np.testing.assert_allclose(found.residual, [0.1, 0.1, np.nan], atol=1e-12)


def test_without_vertices_nothing_is_found():
    none = np.zeros(0)
    found = match_vertices(
        none.astype(int), none, np.array([0]), np.array([1.0]), np.array([True]), 0.5
    )
    assert found.found.tolist() == [False]
    assert found.vertex.tolist() == [-1]


def test_pairs_are_counted_once_within_their_event():
    edges, found = distances(np.array([1, 0, 1, 1]), np.array([4.0, 2.0, 1.0, 1.3]), 3)
    place = [int(one / REACH * BINS) for one in (0.3, 2.7, 3.0)]
    assert found[0].sum() == found[2].sum() == 0
    assert found[1][place].tolist() == [1, 1, 1]
    assert found[1].sum() == 3
    assert edges[-1] == REACH


@pytest.mark.parametrize("half", [0.3, 0.8])
def test_the_width_of_a_dip_is_fitted(half):
    random = np.random.default_rng(1)
    edges = np.linspace(0, REACH, BINS + 1)
    expected = dip((edges[1:] + edges[:-1]) / 2, 0.4, half, 0.1)
    pairs = random.poisson(expected, (500, BINS))
    height, fitted, slope = fit_dip(pairs.sum(0), edges)
    assert height == pytest.approx(200, rel=0.03)
    assert slope == pytest.approx(0.1, rel=0.35)
    measured = separation(pairs, edges)
    assert measured.value == pytest.approx(fitted)
    assert abs(measured.value - half) < 4 * measured.error
    assert 0.002 < measured.error < 0.03


def test_of_few_pairs_there_is_no_resolution():
    assert np.isnan(separation(np.ones((1, BINS)), np.linspace(0, REACH, BINS + 1)).value)
