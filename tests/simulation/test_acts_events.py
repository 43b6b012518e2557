"""Tracker events: collisions and tables without ACTS; tracks and states where it is installed."""

import sys
from importlib.metadata import PackageNotFoundError
from importlib.util import find_spec

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest

from bunchtrain.errors import MissingDependency, StudyError
from bunchtrain.simulation import _sample
from bunchtrain.simulation.acts import collisions, geometry, tables
from samples import sample  # type: ignore[import-not-found]

needs_acts = pytest.mark.skipif(
    find_spec("acts") is None or find_spec("pythia8mc") is None,
    reason="needs pip install 'bunchtrain[acts]'",
)


def recipe(**options):
    return sample("acts_events", **options).recipe


def test_without_the_extra_one_sentence_has_the_command(monkeypatch):
    source = sample("acts_events", events=10)

    def absent(name):
        raise PackageNotFoundError(name)

    monkeypatch.setattr(_sample, "version", absent)
    with pytest.raises(MissingDependency) as raised:
        source.fingerprint()
    assert str(raised.value) == (
        "source 'acts_events' needs pyacts, which is not installed: pip install 'bunchtrain[acts]'"
    )
    assert "acts" not in sys.modules


def test_a_gun_fills_its_windows():
    options = {"gun_particles": ["e-", "mu+"], "gun_pt": [1, 4], "gun_eta": [-1, 2], "part": 200}
    made, truth = collisions.Collisions(recipe(process="gun", **options)).part(3)
    pt = np.hypot(made.px, made.py)
    assert len(pt) == 200 * 10
    assert pt.min() >= 1 - 1e-9
    assert pt.max() <= 4
    assert np.abs(np.log(pt).mean() - np.log(2)) < 4 * np.log(4) / np.sqrt(12 * 2000)
    assert np.arcsinh(made.pz / pt).min() >= -1
    assert set(zip(made.pdg, made.charge, made.mass, strict=True)) == {
        (11, -1.0, 0.000511),
        (-13, 1.0, 0.105658),
    }
    z = ak.to_numpy(truth["collision_z"])[:, 0]
    np.testing.assert_allclose(made.z, z[made.event])
    assert z.std() == pytest.approx(50, rel=0.2)


def test_runs_are_expanded_and_particles_turned():
    rows, owner = collisions.expand(np.array([0, 3, 3]), np.array([3, 0, 2]), np.array([2, 1, 0]))
    assert rows.tolist() == [3, 4, 0, 1, 2]
    assert owner.tolist() == [0, 0, 2, 2, 2]
    made, _ = collisions.Collisions(recipe(process="gun", part=5)).part(0)
    turned = collisions.turn(made, np.full(len(made.px), np.pi / 2))
    np.testing.assert_allclose(turned.px, -made.py)
    np.testing.assert_allclose(turned.y, made.x, atol=1e-12)


def test_numbers_are_found_in_the_list_of_their_event():
    among = ak.Array(
        [np.array([7, 5], np.uint64), np.array([], np.uint64), np.array([5], np.uint64)]
    )
    wanted = ak.Array([np.array([5, 9, 7], np.uint64), np.array([7], np.uint64),
                       np.array([7, 5], np.uint64)])  # fmt: skip
    assert tables.find(wanted, among).to_list() == [[1, -1, 0], [-1], [-1, 0]]
    assert tables.find(wanted[:0], among[:0]).to_list() == []


def test_the_perigee_of_a_helix_is_where_a_turn_of_it_comes_nearest():
    """Of points on helices in 2 T, found by following them in small steps."""
    random = np.random.default_rng(1)
    p, start = random.normal(0, 1, (3, 40)), random.normal(0, 3, (3, 40))
    charge = np.where(np.arange(40) % 2, 1.0, -1.0)
    charge[-4:] = 0
    pt, phi = np.hypot(p[0], p[1]), np.arctan2(p[1], p[0])
    s = np.linspace(-30, 30, 60_001)[:, None]  # path across the beam in mm
    curve = -2.99792458e-4 * 2 * charge / pt  # dφ/ds
    small = np.where(charge == 0, 1.0, curve)
    x, y = (
        start[k]
        + np.where(charge == 0, s * one(phi), (two(phi + small * s) - two(phi)) * sign / small)
        for k, one, two, sign in ((0, np.cos, np.sin, 1), (1, np.sin, np.cos, -1))
    )
    nearest = np.hypot(x, y).argmin(0), np.arange(40)
    angle = phi + curve * s[nearest[0], 0]
    expected = y[nearest] * np.cos(angle) - x[nearest] * np.sin(angle)
    d0, z0 = tables.perigee(*start, list(p), 2 * charge)
    np.testing.assert_allclose(d0, expected, atol=2e-3)
    np.testing.assert_allclose(z0, start[2] + s[nearest[0], 0] * p[2] / pt, atol=2e-3 * 50)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"gun_particles": ["muon-"]}, "gun_particles: no track of 'muon-' is simulated"),
        ({"gun_pt": [5, 1]}, "gun_pt: 1 follows 5; give the smaller one first"),
        ({"process": "ttbarr"}, "process: must be 'ttbar', .*, got 'ttbarr'"),
        ({"pile_up": -1}, "pile_up: must be at least 0.*, got -1"),
        ({"pixel_resolution": [0.01]}, "pixel_resolution"),
        ({"chi2_outlier": 5}, "chi2_outlier must not be below chi2_measurement"),
    ],
)
def test_errors(options, message):
    with pytest.raises(StudyError, match=message):
        sample("acts_events", **options)


def read(**options):
    source = sample("acts_events", **options)
    source.prepare()
    return source, ak.concatenate(list(source.blocks(list(source.fields()), 1000)))


@needs_acts
def test_tracks_states_and_hits_agree_with_any_number_of_processes(tmp_path):
    options = {"process": "gun", "gun_pt": [1, 20], "gun_eta": [-2, 2], "states": True}
    options |= {"events": 12, "part": 6, "beam_length": 10}
    source, events = read(**options, processes=2, folder=str(tmp_path / "2"))
    _, again = read(**options, processes=1, folder=str(tmp_path / "1"))
    assert ak.array_equal(events, again)
    assert {name: str(events[name].type.content) for name in events.fields} == source.fields()
    assert ak.all(ak.num(events.particle_pdg) >= 10)
    assert ak.sum(ak.num(events.track_d0)) > 0.9 * 120
    assert ak.all(events.track_matched == ak.num(events.track_hits, axis=2))
    # q/p of the tracks within six of its standard deviations of the truth
    p = np.sqrt(events.particle_px**2 + events.particle_py**2 + events.particle_pz**2)
    qop = (events.particle_charge / p)[events.track_particle]
    pull = (events.track_qop - qop) / np.sqrt(events.track_covariance[:, :, 14])
    assert ak.max(abs(pull)) < 6
    assert ak.std(pull) == pytest.approx(1, abs=0.3)
    # Kalman states: filtering and smoothing add knowledge; predictions agree with measurements
    variance = [events[f"state_{k}_covariance"][:, :, 0] for k in ("predicted", "filtered")]
    assert ak.all(variance[1] <= variance[0] * (1 + 1e-5))
    assert ak.all(events.state_smoothed_covariance[:, :, 0] <= variance[1] * (1 + 1e-5))
    hit = events.state_hit
    error = np.sqrt(variance[0] + events.hit_variance0[hit])
    pull = (events.hit_loc0[hit] - events.state_predicted_loc0) / error
    assert ak.std(pull) == pytest.approx(1, abs=0.3)
    distance = events.hit_x[hit] - events.hit_true_x[hit]
    assert ak.max(abs(distance)) < 20
    assert "acts" not in sys.modules


@needs_acts
def test_a_part_can_be_a_single_event(tmp_path):
    """The lists of one event have offsets of 32 bits, from which awkward drops no options."""
    _, events = read(process="gun", events=1, part=1, folder=str(tmp_path))
    assert ak.sum(events.track_matched) == ak.sum(ak.num(events.track_hits, axis=2)) > 0


def test_boxes_around_modules_of_acts():
    turn = {"rot_xu": [0.6, 1], "rot_xv": [0, 0], "rot_xw": [0.8, 0]}
    turn |= {"rot_yu": [0.8, 0], "rot_yv": [0, 1], "rot_yw": [-0.6, 0]}
    turn |= {"rot_zu": [0, 0], "rot_zv": [1, 0], "rot_zw": [0, 1]}
    bounds = {"bound_param0": [-10, 5], "bound_param1": [-30, 8]}
    bounds |= {"bound_param2": [10, 20], "bound_param3": [30, 0]}
    place = {"volume_id": [7, 9], "layer_id": [2, 4], "module_id": [3, 1]}
    place |= {"cx": [1.0, 2], "cy": [3.0, 4], "cz": [5.0, 6], "module_t": [0.5, 0.25]}
    found = geometry.boxes(pa.table(turn | bounds | place)).to_pydict()
    assert found["surface"] == [700200003, 900400001]
    np.testing.assert_allclose(found["width"], [2 * (6 + 0.2), 16])  # rectangle, trapezoid
    np.testing.assert_allclose(found["height"], [2 * (8 + 0.15), 40])
    np.testing.assert_allclose(found["thickness"], [60, 0.25])
    axes = [[found[f"axis{k}_{axis}"] for axis in "xyz"] for k in (0, 1)]
    np.testing.assert_allclose(axes, [[[0.6, 1], [0.8, 0], [0, 0]], [[0, 0], [0, 1], [1, 0]]])


@needs_acts
def test_hits_lie_in_the_modules_of_the_geometry(tmp_path):
    options = {"process": "gun", "events": 3, "part": 3, "folder": str(tmp_path)}
    source, events = read(**options)
    columns = ["surface", *"xyz", "width", "height", "thickness"]
    columns += [f"axis{number}_{axis}" for number in (0, 1) for axis in "xyz"]
    modules = next(source.conditions["geometry"].blocks(columns, 10**6))
    surface = ak.to_numpy(ak.flatten(events.hit_surface))
    row = np.searchsorted(modules.surface, surface)
    assert np.array_equal(modules.surface[row], surface)
    for axis, size in zip("xyz", ("width", "height", "thickness"), strict=True):
        off = ak.to_numpy(ak.flatten(events[f"hit_true_{axis}"])) - modules[axis][row]
        assert np.all(np.abs(off) <= modules[size][row] / 2 + 0.01)
        at = [modules[f"axis{k}_{axis}"][row] * ak.flatten(events[f"hit_loc{k}"]) for k in (0, 1)]
        measured = ak.to_numpy(modules[axis][row] + at[0] + at[1])
        np.testing.assert_allclose(measured, ak.flatten(events[f"hit_{axis}"]), atol=1e-3)


@needs_acts
def test_an_unknown_setting_of_pythia_is_named_before_anything_starts(tmp_path):
    source = sample("acts_events", settings=["HardQCD:alll = on"], folder=str(tmp_path))
    with pytest.raises(StudyError, match=r"settings\.0: Pythia has no setting 'HardQCD:alll = on'"):
        source.check_maker()


def test_the_second_search_is_no_part_of_the_recipe_of_events_without_it():
    """So that samples made before it stay valid."""
    assert recipe(wide_pt_min=0.3) == recipe()
    wide = recipe(wide_seeds=True)
    assert set(wide) - set(recipe()) == {"wide_seeds", "wide_pt_min", "wide_impact_max"}
    assert recipe(wide_seeds=True, wide_partners=3) == wide | {"wide_partners": 3}
    columns = set(sample("acts_events", wide_seeds=True).fields())
    assert {f"wide_{n}" for n in columns if n.startswith("track_")} <= columns
    assert not any(n.startswith("wide") for n in sample("acts_events").fields())


@needs_acts
def test_a_second_search_changes_nothing_and_finds_soft_and_displaced_tracks(tmp_path):
    options = {"events": 10, "part": 5, "pile_up": 3, "pool": 20, "folder": str(tmp_path)}
    _, once = read(**options)
    _, twice = read(**options, wide_seeds=True)
    assert ak.array_equal(once, twice[once.fields])
    pt = abs(np.sin(twice.wide_track_theta) / twice.wide_track_qop)
    assert ak.min(pt) > 0.25
    assert ak.max(abs(twice.wide_track_d0)) < 60
    particle = twice.wide_track_particle
    far = ak.sum(abs(twice.particle_d0[particle[particle >= 0]]) > 4)
    assert far > 0
    assert ak.sum(ak.num(twice.wide_track_d0)) > 1.1 * ak.sum(ak.num(once.track_d0))
    majority = ak.num(twice.wide_track_hits, axis=2)
    assert ak.all(twice.wide_track_matched <= majority)
    assert ak.mean(twice.wide_track_matched / majority) > 0.95
    # more seeds for each middle hit find more, and the first search is the same
    _, more = read(**options, wide_seeds=True, wide_partners=8)
    assert ak.array_equal(once.track_d0, more.track_d0)
    assert ak.sum(ak.num(more.wide_track_d0)) > ak.sum(ak.num(twice.wide_track_d0))
