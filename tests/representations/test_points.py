import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from made_up_jets import as_events, plane_jets

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError, StudyError
from bunchtrain.representations.graph import Graph
from bunchtrain.representations.leading_particles import LeadingParticles
from bunchtrain.representations.point_cloud import PointCloud
from bunchtrain.representations.preprocessing.points import DERIVED, JET, Points
from bunchtrain.representations.sequence import Sequence
from bunchtrain.tables.expressions.expression import Expression


def sums(tensors):
    lengths, features = tensors["lengths"], tensors["features"].astype(float)
    jet = np.repeat(np.arange(len(lengths)), lengths)
    total = np.zeros((len(lengths), features.shape[1]))
    np.add.at(total, jet, features)
    return total


@pytest.mark.parametrize("kind", [PointCloud, Sequence, Graph])
def test_packed_tensors_hold_the_points_that_are_there(kind):
    pt, eta, phi, lengths = plane_jets()
    tensors = kind()(as_events(pt, eta, phi, lengths))
    assert tensors["lengths"].tolist() == lengths.tolist()
    assert 0 in lengths
    for name, size in kind().sizes.items():
        if name not in ("lengths", "edges"):
            assert tensors[name].shape == (lengths.sum(), size)
            assert tensors[name].dtype == np.float32
            assert len(kind().names[name]) == size


def test_the_seven_features_of_particle_net():
    pt, eta, phi, lengths = plane_jets(jets=1, empty=False)
    momenta = np.stack([pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)])
    energy = np.sqrt((momenta**2).sum(0))
    px, py, pz = momenta.sum(1)
    jet_pt = np.hypot(px, py)
    rise, turn = eta - np.arcsinh(pz / jet_pt), phi - np.arctan2(py, px)
    turn = (turn + np.pi) % (2 * np.pi) - np.pi
    relative = [np.log(pt / jet_pt), np.log(energy / energy.sum())]
    expected = [rise, turn, np.log(pt), np.log(energy), *relative, np.hypot(rise, turn)]
    tensors = PointCloud()(as_events(pt, eta, phi, lengths))
    np.testing.assert_allclose(tensors["features"], np.stack(expected, 1), rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(tensors["coordinates"], np.stack([rise, turn], 1), atol=1e-5)
    np.testing.assert_allclose(tensors["momenta"], np.vstack([energy, momenta]).T, rtol=1e-4)


def test_all_spellings_of_momenta_give_the_same_names():
    jets = plane_jets()
    cylindrical, cartesian = (Points(as_events(*jets, c), "constituent") for c in (True, False))
    for name in (*DERIVED, *JET):
        atol = 0.3 if name == "mass" else 1e-2 if name == "jet_mass" else 1e-4
        np.testing.assert_allclose(cylindrical[name], cartesian[name], rtol=1e-3, atol=atol)


def test_mass_and_capital_letters_are_understood():
    events = ak.Array(
        {f"Muon_{k}": [[v]] for k, v in {"PT": 30, "Eta": 1, "Phi": 2, "M": 4}.items()}
    )
    points = Points(events, "Muon")
    np.testing.assert_allclose(points["energy"], np.sqrt((30 * np.cosh(1)) ** 2 + 16), rtol=1e-6)


@settings(max_examples=20, deadline=None)
@given(st.integers(0, 1000))
def test_clouds_have_no_order(seed):
    pt, eta, phi, lengths = plane_jets(seed)
    starts = np.cumsum(lengths) - lengths
    random = np.random.default_rng(seed)
    shuffled = np.concatenate([starts[i] + random.permutation(n) for i, n in enumerate(lengths)])
    one = PointCloud(max_points=5)(as_events(pt, eta, phi, lengths))
    other = PointCloud(max_points=5)(as_events(pt[shuffled], eta[shuffled], phi[shuffled], lengths))
    np.testing.assert_allclose(sums(one), sums(other), rtol=1e-4, atol=1e-3)


def test_clouds_keep_the_hardest_points_in_their_order():
    events = ak.Array({f"p_{k}": [[1.0, 5.0, 3.0], [], [2.0]] for k in ("pt", "eta", "phi")})
    tensors = PointCloud(group="p", features=["pt"], max_points=2)(events)
    assert tensors["features"].flatten().tolist() == [5, 3, 2]
    assert tensors["lengths"].tolist() == [2, 0, 1]


def test_sequences_fall_in_their_order_and_end_at_their_length():
    events = ak.Array(
        {
            "p_pt": [[1.0, 2.0, 3.0]],
            "p_eta": [[0.0, 0, 0]],
            "p_phi": [[0.0, 0, 0]],
            "p_sip": [[-4.0, 1.0, 2.0]],
        }
    )
    sequence = Sequence(group="p", features=["pt"], order="abs(sip)", length=2)
    assert sequence(events)["features"].flatten().tolist() == [1, 3]
    assert "p_sip" in sequence.columns(events.fields)


def test_points_that_fail_a_condition_are_left_out():
    events = as_events(*plane_jets(seed=4))
    tensors = PointCloud(features=["pt"], where="pt > 15")(events)
    kept = events.constituent_pt > 15
    assert tensors["lengths"].tolist() == ak.sum(kept, axis=1).tolist()
    np.testing.assert_allclose(
        tensors["features"].flatten(), ak.flatten(events.constituent_pt[kept]), rtol=1e-6
    )


def test_the_jet_can_be_given_by_columns():
    jets = plane_jets()
    given = dict(zip(("fat_pt", "fat_eta", "fat_phi"), np.full((3, 7), 0.5), strict=True))
    events = as_events(*jets, **given)
    cloud = PointCloud(features=["pt / jet_pt", "deta", "rho"], jet="fat")
    events["rho"] = np.arange(7.0)
    assert {"fat_pt", "fat_eta", "fat_phi", "rho"} <= set(cloud.columns(events.fields))
    features = cloud(events)["features"]
    np.testing.assert_allclose(features[:, 0], jets[0] / 0.5, rtol=1e-5)
    np.testing.assert_allclose(features[:, 1], jets[1] - 0.5, rtol=1e-4, atol=1e-5)
    np.testing.assert_allclose(features[:, 2], np.repeat(np.arange(7), jets[3]))


def test_globals_stand_beside_the_points():
    cloud = PointCloud(globals=["count(constituent_pt)", "rho"])
    events = as_events(*plane_jets(), rho=np.arange(7.0))
    tensors = cloud(events)
    assert tensors["globals"].tolist() == [
        [float(n), float(i)] for i, n in enumerate(tensors["lengths"])
    ]
    assert cloud.sizes["globals"] == 2
    assert cloud.normalised == ("features", "globals")


def test_packed_events_survive_being_taken_apart():
    events = as_events(*plane_jets())
    whole = Graph(k=3)(events)
    rows = np.array([5, 3, 0])
    taken, direct = Batch(whole).take(rows).inputs, Graph(k=3)(events[rows.tolist()])
    for name, value in direct.items():
        if name == "edges":
            assert set(map(tuple, taken[name].T.tolist())) == set(map(tuple, value.T.tolist()))
        else:
            np.testing.assert_array_equal(taken[name], value)


def test_leading_points_are_one_row_with_zeros_where_there_are_none():
    events = ak.Array({f"p_{k}": [[1.0, 5.0, 3.0], [], [2.0]] for k in ("pt", "eta", "phi")})
    leading = LeadingParticles(group="p", features=["pt", "2 * pt"], n=2)
    assert leading(events)["table"].tolist() == [[5, 10, 3, 6], [0, 0, 0, 0], [2, 4, 0, 0]]
    assert leading.names["table"] == ["pt [0]", "2 * pt [0]", "pt [1]", "2 * pt [1]"]
    assert leading.sizes["table"] == 4


def test_a_block_of_empty_events():
    events = as_events(*np.zeros((3, 0)), [0, 0, 0])
    tensors = Graph()(events)
    assert tensors["lengths"].tolist() == [0, 0, 0]
    assert tensors["features"].shape == (0, 7)
    assert tensors["edges"].shape == (2, 0)


def test_expressions_see_flat_points():
    points = Points(as_events(*plane_jets()), "constituent")
    value = points.evaluate(Expression("log(pt / jet_pt)"))
    np.testing.assert_allclose(value, np.log(points["pt"] / points["jet_pt"]), rtol=1e-6)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda e: PointCloud(group="constituents").columns(e), "did you mean 'constituent'"),
        (lambda e: PointCloud(features=["jet_ptt"]).columns(e), "'jet_ptt' in 'jet_ptt'.*'jet_pt'"),
        (lambda e: PointCloud(jet="fatjet").columns(e), "no columns 'fatjet_…'"),
        (lambda e: PointCloud(globals=["rhoo"]).columns(e), "no column 'rhoo'.*'rho'"),
        (lambda e: PointCloud(group="hit").columns(e), "neither px, py, pz nor pt, eta, phi.*x"),
    ],
)
def test_missing_columns_are_named_with_the_nearest(make, message):
    with pytest.raises(DataError, match=message):
        make(["constituent_pt", "constituent_eta", "constituent_phi", "rho", "hit_x"])


def test_points_of_another_group_are_refused():
    events = as_events(*plane_jets(), track_pt=[[1.0]] * 7)
    with pytest.raises(DataError, match="entry 0: column 'track_pt' has 1 values where the"):
        PointCloud(features=["track_pt"])(events)


def test_a_group_of_single_numbers_is_refused():
    events = ak.Array({"jet_pt": [1.0], "jet_eta": [1.0], "jet_phi": [1.0]})
    with pytest.raises(DataError, match="one value per event and not a list"):
        PointCloud(group="jet")(events)


@pytest.mark.parametrize("options", [{"features": []}, {"max_points": 0}])
def test_empty_clouds_are_refused(options):
    with pytest.raises(StudyError):
        PointCloud(**options)


@pytest.mark.parametrize("make", [PointCloud, Graph, Sequence])
def test_points_with_coordinates_are_kept_and_others_are_reported(make):
    counts = np.array([0, 200, 3])
    events = ak.zip({f"p_{n}": ak.unflatten(np.arange(203.0), counts) for n in "xy"}, depth_limit=1)
    made = make(group="p", features=["x"], coordinates=["x", "y"])
    assert made(events)["lengths"].tolist() == counts.tolist()
    assert made.limit_warning([events], are_predicted=True) == ""
    few = make(
        group="p", features=["x"], coordinates=["x", "y"], where="x < 150", **{make.limit_name: 120}
    )
    text = few.limit_warning([events, events], are_predicted=False)
    assert text == (
        "60 of 300 points of 'p' (20 %) are left out: raise "
        f"'{make.limit_name}' of the representation, which is 120"
    )
    assert "no prediction" in few.limit_warning([events], are_predicted=True)


def test_the_leading_particles_are_reported_only_where_they_are_predicted():
    pt, eta, phi, lengths = (np.ones(200), np.zeros(200), np.zeros(200), np.array([200]))
    events, made = as_events(pt, eta, phi, lengths), PointCloud()
    assert made(events)["lengths"].tolist() == [128]
    assert made.limit_warning([events], are_predicted=False) == ""
    assert "72 of 200 points" in made.limit_warning([events], are_predicted=True)
