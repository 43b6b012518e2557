"""Jets as clustering trees: nodes packed, with the features of momenta."""

import numpy as np
import pytest
from made_up_jets import as_events, plane_jets

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError
from bunchtrain.methods.event_store import EventStore
from bunchtrain.physics.clustering_trees import clustering_trees
from bunchtrain.physics.kinematics import from_cylindrical
from bunchtrain.representations.clustering_tree import ClusteringTree
from bunchtrain.representations.preprocessing.finite import check_finite


@pytest.mark.parametrize("algorithm", ["kt", "cambridge_aachen"])
def test_the_tree_is_that_of_the_physics(algorithm):
    pt, eta, phi, lengths = plane_jets()
    made = ClusteringTree(algorithm=algorithm, features=["pt", "pz", "energy", "dr", "jet_pt"])
    given = made(as_events(pt, eta, phi, lengths))
    trees = clustering_trees(from_cylindrical(pt, eta, phi), lengths, algorithm)
    for name in ("children", "levels", "lengths"):
        assert given[name].tolist() == getattr(trees, name).tolist()
    energy, px, py, pz = trees.momenta.T
    features = np.column_stack([np.hypot(px, py), pz, energy])
    np.testing.assert_allclose(given["features"][:, :3], features, rtol=1e-4, atol=1e-3)
    roots = given["features"][given["levels"] == 0]
    np.testing.assert_allclose(roots[:, 3], 0, atol=1e-4)
    np.testing.assert_allclose(roots[:, 0], roots[:, 4], rtol=1e-5)


def test_the_features_are_those_of_the_paper():
    made = ClusteringTree()
    events = as_events(*plane_jets())
    p, _, _, energy, share, pt, theta = made(events)["features"].T
    assert made.sizes == {"features": 7, "children": 2, "levels": (), "lengths": ()}
    assert (p <= energy * (1 + 1e-5)).all()
    assert share.max() == 1
    np.testing.assert_allclose(p * np.sin(theta), pt, rtol=1e-3, atol=1e-3)
    assert made.columns(events.fields) == ["constituent_pt", "constituent_eta", "constituent_phi"]


def test_the_softest_points_are_cut_and_batches_stay_trees():
    given = ClusteringTree(max_points=3, features=["pt"])(as_events(*plane_jets()))
    assert set(given["lengths"].tolist()) <= {0, 1, 3, 5}
    rows = np.array([4, 3, 0])
    taken = EventStore([Batch(given)]).take(rows).inputs
    begin = given["lengths"].cumsum(0) - given["lengths"]
    parts = [slice(int(begin[r]), int(begin[r] + given["lengths"][r])) for r in rows]
    for name in ("features", "children", "levels"):
        assert np.array_equal(taken[name], np.concatenate([given[name][part] for part in parts]))


def test_nan_stays_in_its_jet_and_is_named():
    pt, eta, phi, lengths = plane_jets()
    pt[lengths[0]] = np.nan  # the first of jet 1
    made = ClusteringTree()
    given = made(as_events(pt, eta, phi, lengths))
    bad = np.isnan(given["features"]).any(1)
    event = np.repeat(np.arange(len(lengths)), given["lengths"])
    assert np.unique(event[bad]).tolist() == [1]
    kept = check_finite(given, made.names, range(len(lengths)), "drop")
    assert 1 not in kept.tolist()


def test_no_jets_and_unknown_names():
    nothing = ClusteringTree()(as_events(*plane_jets())[:0])
    assert nothing["features"].shape == (0, 7)
    with pytest.raises(StudyError, match="'charge' in 'charge' cannot be computed"):
        ClusteringTree(features=["charge"])
