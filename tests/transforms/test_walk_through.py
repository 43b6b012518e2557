"""Walk-through: components without branches, and the most probable paths of the others."""

import itertools

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.transforms._clustering import ScoredEdges
from bunchtrain.transforms.walk_through import best_paths, levels, walk_through


def objects(edges, scores, points, **options):
    made = parts.build("transform", "walk_through", options)
    first, second = np.array(edges, np.int64).reshape(-1, 2).T
    counts = np.array([points])
    given = ScoredEdges(first, second, np.array(scores, float))
    return made(ak.Array([{}]), counts, given)[0].to_list()


def test_a_chain_is_an_object_and_a_short_one_is_none():
    edges = [(0, 1), (1, 2), (3, 4)]
    assert objects(edges, [0.9, 0.8, 0.9], 6) == [0, 0, 0, -1, -1, -1]
    assert objects(edges, [0.9, 0.8, 0.9], 6, min_points=2) == [0, 0, 0, 1, 1, -1]
    assert objects(edges, [0.9, 0.4, 0.9], 6) == [-1] * 6


def test_of_a_branch_the_more_probable_path_is_an_object():
    edges = [(0, 1), (1, 2), (2, 3), (1, 4), (4, 5)]
    assert objects(edges, [0.9, 0.9, 0.9, 0.6, 0.6], 6) == [0, 0, 0, 0, -1, -1]
    assert objects(edges, [0.9, 0.6, 0.6, 0.9, 0.9], 6) == [0, 0, -1, -1, 0, 0]


def test_what_a_path_leaves_is_another_object():
    # two tracks 0-1-2-3-4 and 5-6-7-8 with a wrong edge between them
    edges = [(0, 1), (1, 2), (2, 3), (3, 4), (5, 6), (6, 7), (7, 8), (1, 7)]
    scores = [0.95, 0.95, 0.95, 0.95, 0.9, 0.9, 0.9, 0.6]
    assert objects(edges, scores, 9) == [0, 0, 0, 0, 0, 1, 1, 1, 1]


def test_cycles_are_on_no_path():
    edges = [(0, 1), (1, 2), (2, 0), (2, 7), (7, 8), (3, 4), (4, 5), (4, 6)]
    found = objects(edges, [0.9] * 7 + [0.7], 9)
    assert found == [-1, -1, -1, 0, 0, 0, -1, -1, -1]


def test_without_edges_and_with_missing_scores_there_are_no_objects():
    assert objects([], [], 4) == [-1] * 4
    assert objects([(0, 1), (1, 2)], [np.nan, np.nan], 3) == [-1] * 3
    assert objects([], [], 0) == []


def random_graph(seed, points=9, edges=14):
    """Return the edges of a graph without cycles, from lower to higher points, and weights."""
    random = np.random.default_rng(seed)
    every = np.array(list(itertools.combinations(range(points), 2)))
    chosen = random.choice(len(every), edges, replace=False)
    order = random.permutation(points)
    return order[every[chosen]].T, random.uniform(0.1, 1, edges)


def longest(edges, weight, points):
    """Return the largest sum of weights of a path by trying all of them."""
    follows = {p: [] for p in range(points)}
    for (a, b), w in zip(edges.T.tolist(), weight.tolist(), strict=True):
        follows[a].append((b, w))

    def best(point):
        return max([0.0, *(w + best(after) for after, w in follows[point])])

    return max(best(p) for p in range(points))


@pytest.mark.parametrize("seed", range(20))
def test_the_path_has_the_largest_sum_of_all(seed):
    edges, weight = random_graph(seed)
    label = np.zeros(9, np.int64)  # all in one component, whatever their edges
    path, _, _ = best_paths(edges, weight, label, 9)
    on = np.flatnonzero(path >= 0)
    ranked = on[np.argsort(levels(edges, 9)[on])]
    steps = {tuple(edge): w for edge, w in zip(edges.T.tolist(), weight.tolist(), strict=True)}
    total = sum(steps[a, b] for a, b in itertools.pairwise(ranked.tolist()))
    assert total == pytest.approx(longest(edges, weight, 9))


def test_many_events_at_once_are_as_each_alone():
    graphs = [random_graph(seed) for seed in range(30)]
    edges = np.concatenate([e + 9 * k for k, (e, _) in enumerate(graphs)], axis=1)
    weight = np.concatenate([w for _, w in graphs])
    together = walk_through(edges, weight, 270, 3)
    for k, (e, w) in enumerate(graphs):
        alone, part = walk_through(e, w, 9, 3), together[9 * k : 9 * k + 9]
        assert ((alone < 0) == (part < 0)).all()
        assert ((alone[:, None] == alone) == (part[:, None] == part))[alone >= 0].all()
