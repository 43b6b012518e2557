"""Tracks of segments: search by triplets, Hopfield network, Hamiltonian by a linear solve."""

import awkward as ak
import numpy as np
import pytest
from scipy.optimize import minimize

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.physics import segments
from bunchtrain.physics.segments import directions, joints, smallest_kinks, straight_joints
from bunchtrain.transforms._chains import chains
from bunchtrain.transforms._segments import Segments

METHODS = ("triplet_search", "hopfield", "track_hamiltonian")


def built(name, **options):
    return parts.build("transform", name, options)


def events_of(*lists):
    """Return events of hits (x, y, z, module)."""
    tables = [np.array(each, dtype=float).reshape(-1, 4) for each in lists]
    counts = np.array([len(each) for each in tables])
    rows = np.concatenate(tables)
    names = ["hit_x", "hit_y", "hit_z", "hit_module"]
    columns = {n: ak.unflatten(rows[:, k], counts) for k, n in enumerate(names)}
    return ak.zip(columns, depth_limit=1), counts


def line(sx, sy, modules=range(1, 8), start=(0.0, 0.0)):
    return [(start[0] + sx * 25 * m, start[1] + sy * 25 * m, 25.0 * m, m) for m in modules]


def labels(name, *lists, **options):
    return built(name, **options)(*events_of(*lists)).to_list()


def random_tracks(seed, tracks):
    """Return hits of straight tracks from the beam, in mixed order, and their tracks."""
    random = np.random.default_rng(seed)
    angle, slope = random.uniform(0, 2 * np.pi, tracks), random.uniform(0.05, 0.3, tracks)
    modules = [np.arange(k, k + n) for k, n in random.integers((1, 3), (8, 10), (tracks, 2))]
    hits = [
        line(s * np.cos(a), s * np.sin(a), m) for a, s, m in zip(angle, slope, modules, strict=True)
    ]
    truth = np.repeat(np.arange(tracks), [len(m) for m in modules])
    order = random.permutation(len(truth))
    return np.concatenate(hits)[order], truth[order]


@pytest.mark.parametrize("name", METHODS)
def test_straight_tracks_are_found_whole(name):
    samples = [random_tracks(seed, 12) for seed in range(3)]
    found = labels(name, *[hits for hits, _ in samples], scatter=0.002)
    for objects, (_, truth) in zip(found, samples, strict=True):
        pairs = set(zip(objects, truth.tolist(), strict=True))
        assert len(pairs) == 12 == len({own for own, _ in pairs})
        assert min(objects) == 0


@pytest.mark.parametrize("name", METHODS)
def test_a_missing_hit_and_noise(name):
    track = line(0.1, 0.2, (1, 2, 4, 5, 6))
    noise = [(20.0, -3.0, 75.0, 3), (-8.0, 9.0, 100.0, 4), (5.0, -30.0, 25.0, 1)]
    assert labels(name, track + noise) == [[0] * 5 + [-1] * 3]


@pytest.mark.parametrize("name", METHODS)
def test_a_hit_of_two_tracks_is_of_the_longer(name):
    """Two lines cross in module 4; the shorter keeps its other hits, if they are enough."""
    longer, shorter = line(0.1, 0.1), line(0.14, 0.1, range(2, 8), (-4.0, 0.0))
    assert shorter[2] == pytest.approx(longer[3])
    objects = labels(name, longer + shorter[:2] + shorter[3:])[0]
    assert objects[:7] == [0] * 7
    assert objects[9:] == [1, 1, 1]
    assert objects[7] == objects[8] != 0


@pytest.mark.parametrize("name", METHODS)
def test_events_without_tracks(name):
    one_layer = [(x, 2.0, 25.0, 1) for x in (1.0, 2.0, 3.0, 4.0)]
    # A loop that comes back to its module, and hits at one place.
    loop = [(5.0, 0.0, 25.0, 1), (9.0, 3.0, 50.0, 2), (5.0, 6.0, 25.0, 1), (5.0, 0.0, 25.0, 1)]
    same_place = [(1.0, 1.0, 30.0, module) for module in (1, 2, 3)]
    lost = [(np.nan, 1.0, 25.0, 1), (2.0, np.inf, 50.0, 2), (3.0, 3.0, np.nan, 3)]
    found = labels(name, [], one_layer, loop, same_place, lost, line(0.1, 0.1, (1, 2)))
    assert found == [[], [-1] * 4, [-1] * 4, [-1] * 3, [-1] * 3, [-1] * 2]
    assert labels(name, []) == [[]]


@pytest.mark.parametrize("name", METHODS)
def test_options_have_ranges_and_columns_are_named(name):
    for options in ({"span": 0}, {"scatter": 2.0}, {"window": 0}, {"slope": -1}, {"min_points": 0}):
        with pytest.raises(StudyError, match=next(iter(options))):
            built(name, **options)
    with pytest.raises(DataError, match=f"'{name}' needs the column 'hit_module'"):
        built(name).columns(["hit_x", "hit_y", "hit_z"])


def test_the_hamiltonian_of_four_hits_by_hand():
    """A = [[3, −1, 0], [−1, 3, −1], [0, −1, 3]] and b = 1 give S = 4/7, 5/7, 4/7."""
    made = built("track_hamiltonian", gamma=2.0, delta=1.0)
    matrix = made.matrix(3, np.array([0, 1]), np.array([1, 2]))
    assert matrix.toarray().tolist() == [[3, -1, 0], [-1, 3, -1], [0, -1, 3]]
    assert made.solve(matrix) == pytest.approx([4 / 7, 5 / 7, 4 / 7])
    # Of three hits 1/2, and far from the ends of a long track 1.
    assert made.solve(made.matrix(2, np.array([0]), np.array([1]))) == pytest.approx([0.5, 0.5])
    long = np.arange(40)
    assert made.solve(made.matrix(41, long, long + 1))[20] == pytest.approx(1, abs=1e-6)
    # The third neighbour of a segment adds to its diagonal.
    star = made.matrix(4, np.array([0, 0, 0]), np.array([1, 2, 3]))
    assert star.diagonal().tolist() == [4, 3, 3, 3]


def test_the_solution_is_the_minimum_of_the_hamiltonian():
    made = built("track_hamiltonian", gamma=1.5, delta=2.0, branching=0.0)
    inner, outer = np.array([0, 1, 1, 2]), np.array([1, 2, 3, 4])

    def energy(state):
        own = 1.5 * state**2 / 2 + 2.0 * (state**2 - 2 * state) / 2
        return own.sum() - (state[inner] * state[outer]).sum()

    found = made.solve(made.matrix(5, inner, outer))
    assert minimize(energy, np.zeros(5)).x == pytest.approx(found, abs=1e-4)


def test_a_hamiltonian_without_a_minimum_is_an_error():
    made = built("track_hamiltonian", gamma=0.0, delta=1.0, branching=0.0)
    chain = np.arange(5)
    with pytest.raises(DataError, match=r"gamma \+ delta = 1 allows; raise 'gamma'"):
        made.solve(made.matrix(6, chain, chain + 1))


def test_the_field_of_a_hopfield_network_by_hand():
    """Two segments of a straight line and a third that begins where the first does."""
    made = built("hopfield", alpha=2.0, beta=0.2, exponent=100)
    ints = [np.array(values) for values in ([0, 1, 0], [1, 2, 3], [0], [1])]
    segments = Segments(ints[0], ints[1], np.array([1.0, 3.0, 2.0]), *ints[2:], np.array([0.1]))
    strength = made.strengths(segments)
    assert strength == pytest.approx([np.cos(0.1) ** 100 * 2 * 2.0 / 4.0])
    field = made.field(segments, strength, np.array([0.5, 1.0, 0.25]))
    drive = strength[0]
    assert field == pytest.approx([drive - 2 * 0.25 - 0.2, drive * 0.5 - 0.2, -2 * 0.5 - 0.2])
    state = made.anneal(segments)
    assert (state[:2] > 0.9).all()
    assert state[2] < 0.1


def test_joints_and_kinks():
    place = np.array([[0, 0, 0], [0, 0, 1], [0, 0, 2], [1, 0, 2], [0, 0, 2.0]])
    first, second = np.array([0, 1, 1, 2]), np.array([1, 2, 3, 4])
    ((inner, outer),) = joints(first, second)
    assert list(zip(inner.tolist(), outer.tolist(), strict=True)) == [(0, 1), (0, 2), (1, 3)]
    direction = directions(place, first, second)
    assert np.isnan(direction[3]).all()  # two hits at one place
    assert straight_joints(direction, first, second, 1.0)[2] == pytest.approx([0, np.pi / 4])
    kinks = smallest_kinks(direction, first, second, 0.1)
    assert kinks == pytest.approx([0, 0, np.inf, np.inf])


def test_the_heaviest_chains_share_no_hit():
    """A chain of weight 3 takes the hit 2 from one of weight 2.5, of which one joint is left."""
    first = np.array([0, 1, 2, 3, 5, 2, 6, 7])
    second = np.array([1, 2, 3, 4, 2, 6, 7, 8])
    layer = np.array([0, 1, 2, 3, 4, 1, 3, 4, 5.0])
    inner, outer = np.array([0, 1, 2, 4, 5, 6]), np.array([1, 2, 3, 5, 6, 7])
    weight = np.array([1, 1, 1, 0.5, 1, 1.0])
    found = chains(first, second, inner, outer, weight, layer)
    assert len({*found[[0, 1, 2, 3, 4]]}) == 1
    assert found[5] == -1
    assert found[6] == found[7] == found[8] >= 0
    assert (chains(first, second, inner, outer, 0 * weight, layer) == -1).all()


def test_joints_are_those_of_any_size_of_chunks_and_too_many_are_refused(monkeypatch):
    random = np.random.default_rng(3)
    first, second = np.sort(random.integers(0, 30, (2, 200)), axis=0)
    direction = random.normal(0, 1, (200, 3))
    direction /= np.linalg.norm(direction, axis=1)[:, None]
    whole = straight_joints(direction, first, second, 1.0)
    monkeypatch.setattr(segments, "_CHUNK", 7)
    for one, other in zip(whole, straight_joints(direction, first, second, 1.0), strict=True):
        np.testing.assert_array_equal(one, other)
    monkeypatch.setattr(segments, "MOST_JOINTS", 20)
    with pytest.raises(DataError, match=r"200 segments .* more than 20 pairs"):
        straight_joints(direction, first, second, 1.0)
