"""CLUE by its definition, hit by hit, and DBSCAN; what both share."""

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError

CLUE = {"density_distance": 1.0, "seed_density": 3.0, "seed_distance": 1.5, "noise_distance": 2.0}


def run(name, points, energy, counts, **options):
    """Return the cluster of each hit, in lists."""
    columns = {f"hit_{axis}": points[:, k] for k, axis in enumerate("xyz")} | {"hit_energy": energy}
    events = ak.zip({n: ak.unflatten(v, counts) for n, v in columns.items()}, depth_limit=1)
    made = parts.build("transform", name, options)
    assert set(made.columns(list(columns))) == set(columns)
    return made(events, np.array(counts)).to_list()


def clue(points, energy):
    """Return the seed of each hit of one event by the definition, −1 for noise."""
    apart = np.sqrt(((points[:, None] - points) ** 2).sum(2))
    near = (apart <= CLUE["density_distance"]) & ~np.eye(len(points), dtype=bool)
    density = energy + 0.5 * (near * energy).sum(1)
    higher = {}
    for i in range(len(points)):
        ranked = [j for j in range(len(points)) if (density[j], -j) > (density[i], -i)]
        higher[i] = min(ranked, key=lambda j: (apart[i, j], j), default=None)

    def end(i):
        step = np.inf if higher[i] is None else apart[i, higher[i]]
        if density[i] >= CLUE["seed_density"] and step > CLUE["seed_distance"]:
            return i
        return -1 if step > CLUE["noise_distance"] else end(higher[i])

    return [end(i) for i in range(len(points))]


@settings(max_examples=40, deadline=None)
@given(counts=st.lists(st.integers(0, 25), min_size=1, max_size=4), seed=st.integers(0, 1000))
def test_clue_is_its_definition_in_each_event(counts, seed):
    random = np.random.default_rng(seed)
    points = random.uniform(0, 4, (sum(counts), 3)).round(1)  # with equal distances
    energy = random.exponential(1.0, len(points)).round(1)
    found, first = run("clue", points, energy, counts, **CLUE), 0
    for labels, n in zip(found, counts, strict=True):
        wanted = clue(points[first : first + n], energy[first : first + n])
        order = {-1: -1}
        for one in wanted:
            order.setdefault(one, len(order) - 1)
        assert labels == [order[one] for one in wanted]
        first += n


@pytest.mark.parametrize(
    ("name", "options"), [("clue", CLUE), ("dbscan", {"distance": 1.0, "core": 2.0})]
)
def test_two_showers_and_noise(name, options):
    random = np.random.default_rng(1)
    shower = random.normal(0, 0.4, (60, 3))
    points = np.concatenate([shower, shower + 8, [[20.0, 0, 0]]])
    energy = np.concatenate([np.ones(120), [0.1]])
    (found,) = run(name, points, energy, [121], **options)
    assert found == [0] * 60 + [1] * 60 + [-1]
    # Permuted, shifted and in another unit of length they are the same clusters.
    order = random.permutation(121)
    scales = {"scales": [10.0, 10.0, 10.0]}
    (again,) = run(name, 10 * points[order] + 3, energy[order], [121], **options | scales)
    same = np.equal.outer(np.array(found)[order], np.array(found)[order])
    assert np.array_equal(np.equal.outer(again, again), same)
    # The same hits in two events do not see each other.
    twice = run(name, np.concatenate([points, points]), np.tile(energy, 2), [121, 121], **options)
    assert twice == [found, found]


def test_dbscan_counts_hits_or_energy():
    points = np.array([[0.0, 0, 0], [0.5, 0, 0], [9.0, 0, 0]])
    energy = np.array([0.1, 0.1, 5.0])
    assert run("dbscan", points, energy, [3], distance=1.0, core=1.0) == [[-1, -1, 0]]
    options = {"distance": 1.0, "core": 2.0, "by_energy": False}
    assert run("dbscan", points, energy, [3], **options) == [[0, 0, -1]]


def test_what_is_refused():
    points, energy = np.zeros((3, 3)), np.array([1.0, 2.0, -1.0])
    with pytest.raises(DataError, match="'hit_energy' of hit 1 of event 1 in this block is -1"):
        run("clue", points, energy, [1, 2], **CLUE)
    points[1, 1] = np.nan
    with pytest.raises(DataError, match="'hit_y' of hit 0 of event 1 in this block is nan"):
        run("dbscan", points, abs(energy), [1, 2], distance=1.0, core=1.0)
    with pytest.raises(StudyError, match="3 coordinates and 1 scales"):
        parts.build("transform", "clue", CLUE | {"scales": [1.0]})
    made = parts.build("transform", "clue", CLUE)
    with pytest.raises(DataError, match="needs the column 'hit_energy'; did you mean 'hit_energi'"):
        made.columns(["hit_x", "hit_y", "hit_z", "hit_energi"])
