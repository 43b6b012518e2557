"""Vertices of tracks: peaks of a density, association and deterministic annealing by hand."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations.vertex_finding import VertexFinding
from bunchtrain.targets import Target
from bunchtrain.transforms._track_vertices import Places, associate
from bunchtrain.transforms.vertex_peaks import find_peaks

SIGMA = 0.05
VARIANCES = [0.01**2, 0, SIGMA**2, *[0] * 12]


def events_of(*lists, covariance=VARIANCES):
    tracks = {
        "track_z0": ak.Array([list(map(float, one)) for one in lists]),
        "track_d0": ak.Array([[0.0] * len(one) for one in lists]),
        "track_covariance": ak.Array([[covariance] * len(one) for one in lists]),
    }
    if not any(map(len, lists)):
        tracks = {name: ak.values_astype(one, float) for name, one in tracks.items()}
    return ak.zip(tracks, depth_limit=1)


def make(name, **options):
    return parts.build("transform", name, options)


def test_peaks_have_the_place_and_the_integral_of_their_bins():
    middle = np.tile(np.arange(8.0), 2)
    density = [0, 0.2, 0.6, 0.2, 0.01, 0.3, 0.4, 0, 0.9, 0, 0, 0, 0, 0, 0, 0.5]
    place, integral = find_peaks(np.array(density), middle, np.repeat([0, 1], 8), 0.05)
    np.testing.assert_allclose(place - 5e4 - 1e5 * np.array([0, 0, 1, 1]), [2, 39 / 7, 0, 7])
    np.testing.assert_allclose(integral, [1.0, 0.7, 0.9, 0.5])


def test_bins_between_two_peaks_go_to_the_higher_neighbour():
    density = np.array([0.5, 0.2, 0.3, 0.6, 0.6, 0.1, np.nan])
    place, integral = find_peaks(density, np.arange(7.0), np.zeros(7, int), 0.05)
    np.testing.assert_allclose(integral, [0.7, 1.6])
    np.testing.assert_allclose(place - 5e4, [0.2 / 0.7, (0.6 + 1.8 + 2.4 + 0.5) / 1.6])


def test_a_track_goes_to_its_most_probable_vertex():
    tracks = Places(
        np.array([0, 0, 0, 1]), np.array([0.1, 0.24, 3.0, 0.0]), np.full(4, 0.1), np.zeros(4)
    )
    vertices = np.array([0, 0]), np.array([0.0, 0.5]), np.full(2, 0.02)
    found = associate(tracks, *vertices, np.array([1.0, 1.0]), 4.0)
    assert found.tolist() == [0, 0, -1, -1]
    found = associate(tracks, *vertices, np.array([1.0, 3.0]), 4.0)
    assert found.tolist() == [0, 1, -1, -1]
    assert associate(tracks, *(np.zeros(0),) * 4, 4.0).tolist() == [-1] * 4


def test_tracks_of_peaks_are_numbered_in_their_events():
    events = events_of([5.0, 1.0, 5.02, 1.01, 9.0], [], [2.0])
    events["bin_z"] = ak.Array([list(np.arange(0.5, 10))] * 3)
    density = np.zeros((3, 10))
    density[0, [1, 5, 9]], density[1, 4], density[2, 2] = 0.9, 0.9, 0.9
    one = make("vertex_peaks", resolution=0.5)
    found = one(events, np.full(3, 10), {"number": density.ravel()})
    assert found.to_list() == [[0, 1, 0, 1, -1], [], [-1]]


def test_the_target_of_peaks_is_one_value_of_bins():
    known = {"vertex": Target("vertex", values=("number",), axis="point")}
    assert make("vertex_peaks").read_target(known).name == "vertex"
    with pytest.raises(StudyError, match="needs target 'vertx' of bins with one value"):
        make("vertex_peaks", target="vertx").read_target(known)
    with pytest.raises(StudyError, match="needs the option 'target', one of bins"):
        make("vertex_peaks").read_target({"jet": Target("jet", classes=("a", "b"))})


def test_annealing_finds_separated_vertices():
    random, lists = np.random.default_rng(1), []
    centres = [[-40.0, -38.0, 0.0, 1.0, 60.0], [10.0], [-3.0, 3.0]]
    for places in centres:
        z = np.repeat(places, 12) + random.normal(0, SIGMA, 12 * len(places))
        lists.append(z.tolist())
    found = make("deterministic_annealing")(events_of(*lists), np.zeros(3, int))
    for places, own in zip(centres, found.to_list(), strict=True):
        expected = np.repeat(np.arange(len(places)), 12)
        assert np.mean(np.array(own) == expected) > 0.98


def test_annealing_leaves_out_what_is_far_and_events_without_tracks():
    events = events_of([0.0, 0.01, -0.02, 0.03, 7.0], [], [1.0])
    found = make("deterministic_annealing")(events, np.zeros(3, int))
    assert found.to_list() == [[0, 0, 0, 0, -1], [], [-1]]
    none = events_of([], [])
    assert make("deterministic_annealing")(none, np.zeros(2, int)).to_list() == [[], []]


def test_one_vertex_of_gaussian_tracks_is_not_split():
    random = np.random.default_rng(2)
    lists = [random.normal(0, SIGMA, 20).tolist() for _ in range(50)]
    found = make("deterministic_annealing")(events_of(*lists), np.zeros(50, int))
    assert ak.mean(ak.max(found, axis=1) == 0) > 0.9


@pytest.mark.parametrize("name", ["vertex_peaks", "deterministic_annealing"])
@pytest.mark.parametrize(
    ("z", "covariance"),
    [(np.nan, VARIANCES), (1.0, [0.1, 0, -1.0, *[0] * 12]), (1.0, [np.nan, 0, 1, *[0] * 12])],
)
def test_a_track_without_numbers_is_named(name, z, covariance):
    events = events_of([1.0, 2.0], [z], covariance=covariance)
    if covariance is not VARIANCES:
        events = events_of([], [z], covariance=covariance)
    events["bin_z"] = ak.Array([[0.0], [0.0]])
    with pytest.raises(DataError, match="track 0 of event 1 in this block"):
        make(name)(events, np.ones(2, int), {"number": np.zeros(2)})


@pytest.mark.parametrize("z", [1e6, -1e6])
def test_a_track_far_away_is_named_and_covariances_have_fifteen_numbers(z):
    events = events_of([0.0, 0.01, z], [0.0])
    with pytest.raises(DataError, match=r"track 2 of event 0 in this block .*below 50 m"):
        make("deterministic_annealing")(events, np.zeros(2, int))
    events = events_of([1.0], covariance=VARIANCES[:14])
    with pytest.raises(DataError, match="14 numbers for 1 tracks"):
        make("deterministic_annealing")(events, np.zeros(1, int))


@pytest.mark.parametrize("bins", [[[0.0]], [[0.0, np.nan]], [[0.0, 1e6]]])
def test_bins_without_their_middles_are_refused(bins):
    events = events_of([1.0, 1.0])
    events["bin_z"] = ak.Array(bins)
    with pytest.raises(DataError, match="'bin_z' must have the middle"):
        make("vertex_peaks")(events, np.array([2]), {"number": np.array([0.9, 0.0])})


def test_a_collision_that_is_not_there_is_named_and_vertices_without_a_place_are_left_out():
    columns = {"collision_z": ak.Array([[0.0], [1.0, 2.0]])}
    columns["collision_tracks"] = ak.Array([[3], [3, 3]])
    columns["track_collision"] = ak.Array([[0, 0], [1, -1]])
    evaluation = VertexFinding()
    truth = evaluation._truth(columns)
    assert truth.of_track.tolist() == [0, 0, 2, -1]
    found = evaluation._read(ak.Array([[np.nan], [np.nan, 1.0, 2.0]]), truth)
    assert found.match.found.tolist() == [False, True, True]
    columns["track_collision"] = ak.Array([[1, 0], [1, -1]])
    with pytest.raises(DataError, match="event 0 of the test set is of the collision 1"):
        evaluation._truth(columns)
