"""Transforms from points to objects: components, triplets, tables of objects."""

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.targets import Target
from bunchtrain.transforms._clustering import ScoredEdges
from bunchtrain.transforms._objects import object_rows

EDGES = st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5), st.floats(0, 1)), max_size=12)


def components_of(counts, edges, **options):
    """Return the objects by the transform, `edges` being (event, first, second, score)."""
    start = np.cumsum(counts) - counts
    rows = np.array(edges, dtype=float).reshape(-1, 4)
    event = rows[:, 0].astype(int)
    ends = [rows[:, k].astype(int) + start[event] for k in (1, 2)]
    made = parts.build("transform", "connected_components", {"min_points": 1} | options)
    return made(ak.Array([]), np.array(counts), ScoredEdges(*ends, rows[:, 3])).to_list()


@settings(deadline=None)
@given(EDGES, st.floats(0, 1))
def test_points_linked_by_a_chain_of_probable_edges_are_one_object(edges, threshold):
    given_edges = [(e % 2, a, b, p) for e, (a, b, p) in enumerate(edges)]
    found = components_of([6, 6], given_edges, threshold=threshold)
    for event in range(2):
        linked = np.eye(6, dtype=bool)
        for e, a, b, p in given_edges:
            if e == event and p >= threshold:
                linked[a, b] = linked[b, a] = True
        for _ in range(3):
            linked = linked @ linked
        same = np.equal.outer(found[event], found[event])
        assert np.array_equal(linked, same)
        assert list(dict.fromkeys(found[event])) == list(range(max(found[event]) + 1))


def test_one_to_one_links_keep_the_best_of_each_side_and_small_objects_are_none():
    edges = [(0, 0, 1, 0.9), (0, 0, 2, 0.8), (0, 3, 1, 0.7), (0, 1, 4, 0.6), (1, 0, 1, 0.9)]
    assert components_of([5, 2], edges)[0] == [0] * 5
    assert components_of([5, 2], edges, one_to_one=True)[0] == [0, 0, 1, 2, 0]
    assert components_of([5, 2], edges, one_to_one=True, min_points=3)[1] == [-1, -1]
    assert components_of([5, 2], edges, threshold=0.85, min_points=2) == [
        [0, 0, -1, -1, -1],
        [0, 0],
    ]
    assert components_of([2], [(0, 0, 1, np.nan)]) == [[0, 1]]


def straight_hits(slopes, z, seed=0):
    random = np.random.default_rng(seed)
    x = np.concatenate([sx * z for sx, _ in slopes]) + 1e-4 * random.normal(
        size=len(slopes) * len(z)
    )
    y = np.concatenate([sy * z for _, sy in slopes])
    layer = np.tile(np.arange(len(z)), len(slopes))
    names = ("hit_x", "hit_y", "hit_z", "hit_module")
    columns = (x, y, np.tile(z, len(slopes)), layer)
    return ak.zip({n: ak.Array([c]) for n, c in zip(names, columns, strict=True)}, depth_limit=1)


def test_the_triplet_search_finds_straight_tracks():
    slopes = [(0.1, 0.2), (0.3, -0.1), (-0.2, 0.15), (0.0, -0.3)]
    events = straight_hits(slopes, np.arange(10.0, 80.0, 10.0))
    search = parts.build("transform", "triplet_search", {})
    found = search(events, np.array([28])).to_list()[0]
    assert found == [k for k in range(4) for _ in range(7)]
    assert search(events[:0], np.zeros(0, int)).to_list() == []
    with pytest.raises(DataError, match="'triplet_search' needs the column 'hit_module'"):
        search.columns(["hit_x", "hit_y", "hit_z"])


def test_the_table_of_objects_has_the_particle_of_most_points():
    objects = ak.Array([[0, 0, 0, -1, 1, 1], [], [0, 0, -1]])
    truth = ak.Array([[7, 7, 8, 8, -1, -1], [], [7, 7, 7]])
    table = object_rows(np.array([10, 11, 12]), objects, truth)
    found = {name: np.asarray(v).tolist() for name, v in table.items() if name != "points"}
    assert table["points"].to_list() == [[0, 1, 2], [4, 5], [0, 1]]
    assert found["entry"] == [10, 10, 12]
    assert found["object"] == [0, 1, 0]
    assert found["true_object"] == [7, -1, 7]
    assert found["majority"] == [2, 0, 2]
    assert found["true_size"] == [2, 0, 3]
    assert found["purity"] == pytest.approx([2 / 3, 0, 1])
    assert found["completeness"] == pytest.approx([1, 0, 2 / 3])
    empty = object_rows(np.array([1]), ak.Array([[-1, -1]]), ak.Array([[0, 0]]))
    assert len(empty["entry"]) == 0


def test_a_transform_on_the_wrong_axis_is_an_error():
    targets = {
        "hit": Target("hit", ("a", "b"), axis="point"),
        "pair": Target("pair", ("different", "same"), axis="edge"),
    }
    made = parts.build("transform", "connected_components", {"target": "hit"})
    with pytest.raises(StudyError, match="needs a target of edges with classes, and 'hit' is of"):
        made.read_target(targets)
    assert parts.build("transform", "connected_components", {}).read_target(targets).name == "pair"
    made = parts.build("transform", "connected_components", {"target": "pairs"})
    with pytest.raises(StudyError, match=r"target 'pairs' of edges.*did you mean 'pair'"):
        made.read_target(targets)
