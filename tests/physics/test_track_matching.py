"""Tracks made by hand with known matches, and the TrackML score by its definition."""

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.errors import DataError
from bunchtrain.evaluations._tracking_tables import neighbours, track_metrics
from bunchtrain.physics.track_matching import OUTCOMES, MatchedTracks, TrackList, TrueParticles
from bunchtrain.physics.trackml_score import (
    equal_weights,
    hit_weights,
    order_weights,
    pt_weight,
    trackml_scores,
)

# Five hits of the first particle, four of the second, three of the third, and noise.
TRUTH = ak.Array([[4, 4, 4, 4, 4, 7, 7, 7, 7, 90, 90, 90, -1], [7, 7, 7]])
TRACKS = ak.Array([
    [[0, 1, 2, 3, 4], [0, 1, 2, 5], [5, 6, 9, 10], [7, 8, 12]],
    [[0, 1, 2]],
])  # fmt: skip


def matched():
    particles = TrueParticles.of(TRUTH)
    return MatchedTracks.of(TrackList.of_lists(TRACKS, particles.counts, "track_hits"), particles)


def test_tracks_that_share_hits_have_the_particle_of_most_of_them():
    tracks = matched()
    assert tracks.particles.identifier.tolist() == [4, 7, 90, 7]
    assert tracks.particle[[0, 1, 3, 4]].tolist() == [0, 0, 1, 3]
    np.testing.assert_allclose(tracks.purity, [1, 3 / 4, 1 / 2, 2 / 3, 1])
    np.testing.assert_allclose(tracks.completeness[[0, 1, 3, 4]], [1, 3 / 5, 1 / 2, 1])
    assert tracks.matched("lhcb").tolist() == [True, True, False, False, True]
    assert tracks.matched("double_majority").tolist() == [True, True, False, False, True]


def test_metrics_of_an_event_made_by_hand():
    tracks = matched()
    counted = tracks.particles.size >= 3
    found = track_metrics(tracks, "lhcb", counted, np.ones(2), np.full(16, 1 / 13))
    assert found["track_efficiency"].value == pytest.approx(2 / 4)
    assert found["fake_rate"].value == pytest.approx(2 / 5)
    assert found["clone_rate"].value == pytest.approx(1 / 3)
    assert found["hit_purity"].value == pytest.approx((1 + 3 / 4 + 1) / 3)
    assert found["hit_efficiency"].value == pytest.approx((1 + 3 / 5 + 1) / 3)
    assert found["trackml_score"].value == pytest.approx((5 / 13 + 3 / 13) / 2)
    # particles of at least four hits: one of two is found, the short ones are counted apart
    assert track_metrics(tracks, "lhcb", tracks.particles.size >= 4, np.ones(2), None)[
        "track_efficiency"
    ].value == pytest.approx(1 / 2)


def test_what_became_of_the_hits_of_an_event():
    """The second particle is missed, as its tracks are not pure; they have hits of the third."""
    outcome = matched().outcome("lhcb", 3)
    names = [OUTCOMES[k] if k >= 0 else "" for k in outcome]
    assert names[:5] == ["found"] * 5
    assert names[5:9] == ["made up"] * 4  # on tracks of no particle
    assert names[9:13] == ["made up", "made up", "missed", "made up"]
    assert names[13:] == ["found"] * 3
    labels = TrackList.of_labels(ak.Array([[0, 0, 0, -1, -1, -1, -1, -1]]))
    particles = TrueParticles.of(ak.Array([[1, 1, 1, 1, 2, 2, 2, -1]]))
    outcome = MatchedTracks.of(labels, particles).outcome("lhcb", 3)
    assert [OUTCOMES[k] if k >= 0 else "" for k in outcome] == [
        *["found"] * 3, "off its track", *["missed"] * 3, ""
    ]  # fmt: skip


def test_a_score_counts_a_hit_of_two_tracks_once():
    tracks = matched()
    weight = np.zeros(16)
    weight[[0, 1, 5]] = [0.25, 0.25, 0.5]  # the last one is on a track of another particle
    np.testing.assert_allclose(trackml_scores(tracks, weight), [0.5, 0])


def test_weights_of_hits_are_those_of_the_challenge():
    along = np.array([10, 8, 6, 5, 3, 3, 3, 5, 6])
    np.testing.assert_allclose(order_weights()[9, :9], along / 49)
    np.testing.assert_allclose(order_weights()[4, :4], np.array([10, 16 / 3, 3, 6]) / (73 / 3))
    np.testing.assert_allclose(order_weights().sum(1), np.arange(21) >= 4)
    np.testing.assert_allclose(pt_weight(np.array([0.01, 0.3, 1.75, 40])), [0, 0.2, 0.6, 1])
    particles = TrueParticles.of(TRUTH[:1])
    distance = np.array([5.0, 3, 1, 2, 4, 10, 10, 20, 30, 1, 2, 3, 0])
    weight = hit_weights(particles, distance, np.array([3.0, 0.5, 3.0]))
    first, second = order_weights()[5, [4, 2, 0, 1, 3]], 0.2 * order_weights()[4, [0, 0, 2, 3]]
    expected = np.concatenate([first, second, np.zeros(4)])  # three hits have no weight
    np.testing.assert_allclose(weight, expected / expected.sum())
    np.testing.assert_allclose(equal_weights(particles), [1 / 9] * 9 + [0] * 4)


@given(st.data())
@settings(max_examples=25)
def test_matches_are_those_of_a_loop(data):
    truth = [data.draw(st.lists(st.integers(-1, 4), max_size=12)) for _ in range(3)]
    lists = [
        data.draw(st.lists(st.lists(st.integers(0, len(t) - 1), max_size=6), max_size=4)) if t
        else [] for t in truth
    ]  # fmt: skip
    particles = TrueParticles.of(ak.values_astype(ak.Array([*truth, [0]]), np.int64))
    typed = ak.values_astype(ak.Array([*lists, [[0]]]), np.int64)
    tracks = MatchedTracks.of(TrackList.of_lists(typed, particles.counts, "x"), particles)
    expected = []
    for t, of_event in zip([*truth, [0]], [*lists, [[0]]], strict=True):
        for hits in map(set, of_event):
            most = max(sum(t[h] == p for h in hits) for p in range(5))
            expected.append(most / max(1, len(hits)))
    np.testing.assert_allclose(tracks.purity, expected)


def test_labels_and_lists_are_the_same_tracks():
    labels = ak.Array([[2, -1, 0, 2, 2, 0], [], [1, 1]])
    lists = ak.Array([[[2, 5], [0, 3, 4]], [], [[0, 1]]])
    one = TrackList.of_labels(labels)
    other = TrackList.of_lists(lists, np.array([6, 0, 2]), "x")
    for name in ("event", "size", "hits"):
        assert np.array_equal(getattr(one, name), getattr(other, name))


def test_hits_that_do_not_exist_end_in_a_sentence():
    with pytest.raises(DataError, match="a track of event 1 of the test set has the hit 3, and"):
        TrackList.of_lists(ak.Array([[[0]], [[0, 3]]]), np.array([2, 3]), "track_hits")
    with pytest.raises(DataError, match="must have a list of hits for each track"):
        TrackList.of_lists(ak.Array([[0, 1]]), np.array([2]), "track_hits")


def test_neighbours_are_counted_within_the_event_and_across_pi():
    event = np.array([0, 0, 0, 1, 1])
    eta = np.array([0.0, 0.05, 1.0, 0.0, 0.0])
    phi = np.array([np.pi - 0.01, -np.pi + 0.01, 3.0, np.pi, 0.0])
    assert neighbours(event, eta, phi, 0.1).tolist() == [1, 1, 0, 0, 0]
