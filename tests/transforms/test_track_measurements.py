"""Tracks measurement by measurement: rows, fits, symmetry, and what ends in a sentence."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.physics.helices import Helix, Planes, cross, local
from bunchtrain.tables.arrays import Arrays
from bunchtrain.tables.geometry import Geometry

RADII = np.array([30.0, 70, 115, 170, 260, 360, 500, 660])
#: Sides of the polygons that the layers are.
SIDES = 16
SIGMA = (0.015, 0.05)


def modules():
    """Return long flat modules around the beam, number 100 · layer + side."""
    turn = 2 * np.pi * np.arange(SIDES) / SIDES
    layer, side = (one.ravel() for one in np.indices((len(RADII), SIDES)))
    x, y = RADII[layer] * np.cos(turn[side]), RADII[layer] * np.sin(turn[side])
    zero = 0 * x
    columns = {"surface": 100 * layer + side, "x": x, "y": y, "z": zero}
    axes = [-np.sin(turn[side]), np.cos(turn[side]), zero, zero, zero, zero + 1]
    names = [f"axis{k}_{axis}" for k in (0, 1) for axis in "xyz"]
    return Geometry(columns | dict(zip(names, axes, strict=True)), "surface")


class Events(Arrays):
    """Events with their modules."""

    def __init__(self, columns, geometry=None):
        super().__init__(columns)
        self._geometry = modules() if geometry is None else geometry

    @property
    def conditions(self):
        return {"geometry": self._geometry}


def tracks(count, seed):
    """Return module and local position of each measurement of helices from the origin."""
    random = np.random.default_rng(seed)
    sign = random.choice([-1, 1], count)
    phi, pt = random.uniform(-np.pi, np.pi, count), random.uniform(1, 10, count)
    slope = random.uniform(0.1, 1, count)
    helix = Helix(np.zeros((count, 3)), phi, sign * 0.6e-3 / pt, slope)
    turn = 2 * np.pi / SIDES
    noise = random.normal(size=(count, len(RADII), 2)) * SIGMA
    found = []
    for k, radius in enumerate(RADII):
        s = 2 * np.arcsin(radius * helix.curvature / 2) / helix.curvature
        place = helix.at(s[:, None])[0][:, 0]
        side = np.round(np.arctan2(place[:, 1], place[:, 0]) / turn).astype(int) % SIDES
        middle = np.stack([radius * np.cos(side * turn), radius * np.sin(side * turn), 0 * s], -1)
        axes = np.stack(
            [
                np.stack([-np.sin(side * turn), np.cos(side * turn), 0 * s], -1),
                np.stack([0 * s, 0 * s, 0 * s + 1], -1),
            ],
            -2,
        )
        planes = Planes(middle[:, None], axes[:, None])
        found.append((100 * k + side, local(helix, planes, cross(helix, planes, 8))[:, 0]))
    surface = np.stack([one for one, _ in found], 1)
    return surface, np.stack([one for _, one in found], 1) + noise


def events(count=400, seed=1, each=2, **changes):
    """Return events of `each` tracks of 8 measurements."""
    surface, at = tracks(count, seed)
    layers = len(RADII)

    def hits(values):
        return ak.unflatten(np.asarray(values).ravel(), layers * each)

    rows = count // each
    hit = np.tile(np.arange(layers * each), rows)
    track = np.tile(np.repeat(np.arange(each), layers), rows)
    predicted = at - 2 * np.array(SIGMA)
    covariance = np.zeros((count * layers, 15))
    covariance[:, 0], covariance[:, 2] = 3 * SIGMA[0] ** 2, 3 * SIGMA[1] ** 2
    columns = {
        "event_id": np.arange(rows),
        "hit_loc0": hits(at[..., 0]), "hit_loc1": hits(at[..., 1]),
        "hit_variance0": hits(np.full(surface.shape, SIGMA[0] ** 2)),
        "hit_variance1": hits(np.full(surface.shape, SIGMA[1] ** 2)),
        "hit_surface": hits(surface), "hit_volume": hits(np.full(surface.shape, 8)),
        "hit_layer": hits(surface // 100),
        "state_track": hits(track), "state_hit": hits(hit),
        "state_outlier": hits(np.zeros(surface.shape, int)),
        "state_predicted_loc0": hits(predicted[..., 0]),
        "state_predicted_loc1": hits(predicted[..., 1]),
        "state_predicted_covariance": ak.unflatten(ak.Array(covariance), layers * each),
        "track_particle": ak.unflatten(np.tile(np.arange(each), rows), each),
        "track_qop": ak.unflatten(np.full(count, 0.5), each),
        "track_theta": ak.unflatten(np.full(count, np.pi / 2), each),
        "particle_pdg": ak.unflatten(np.full(count, 13), each),
    }  # fmt: skip
    return columns | changes


def read(columns, geometry=None, **options):
    made = parts.build("transform", "track_measurements", options, Events(columns, geometry))
    return ak.concatenate(list(made.blocks(list(made.fields()), 1000)))


def test_one_row_for_each_track_from_the_fourth_measurement_on():
    found = read(events())
    assert len(found) == 400
    assert ak.to_list(found.measurement_number[0]) == [3, 4, 5, 6, 7]
    assert ak.to_list(found.measurement_layer[0]) == [3, 4, 5, 6, 7]
    assert ak.to_list(found.track_index[:4]) == [0, 1, 0, 1]
    assert ak.to_list(found.source_entry[:4]) == [0, 0, 1, 1]
    assert ak.to_list(found.event_id[:4]) == [0, 0, 1, 1]
    assert set(ak.to_list(found.track_pdg)) == {13}
    assert ak.to_list(found.track_pt[:1]) == [2]


def test_without_scattering_the_fit_predicts_with_its_covariance():
    found = read(events(6000), material=0)
    pulls = np.stack([ak.to_numpy(ak.flatten(found[f"measurement_residual{k}"])) for k in (0, 1)])
    assert pulls.std(1) == pytest.approx([1, 1], abs=0.03)
    assert np.abs(pulls.mean(1)).max() < 0.03
    rho = ak.to_numpy(ak.flatten(found.measurement_helix_loc0_loc1_correlation))
    assert np.mean(pulls[0] * pulls[1]) == pytest.approx(rho.mean(), abs=0.03)


def test_the_prediction_of_the_filter_is_in_units_of_the_scale():
    """The filter is 2 σ off with a covariance of 3 σ², the measurement has one of 4 σ²."""
    found = read(events())
    for k, sigma in enumerate(SIGMA):
        scale = found[f"measurement_scale{k}"]
        off = (found[f"measurement_residual{k}"] - found[f"measurement_kalman_loc{k}"]) * scale
        np.testing.assert_allclose(ak.to_numpy(ak.flatten(off)), 2 * sigma, rtol=2e-3)
        width = found[f"measurement_kalman_loc{k}_sigma"] * abs(scale)
        np.testing.assert_allclose(ak.to_numpy(ak.flatten(width)), 2 * sigma, rtol=1e-4)


def test_outliers_are_left_out_and_layers_not_yet_seen_wait():
    columns = events()
    outlier = ak.to_numpy(ak.flatten(columns["state_outlier"])).copy()
    outlier[[0, 5]] = 1  # of the first track
    columns["state_outlier"] = ak.unflatten(outlier, 16)
    found = read(columns)
    assert ak.to_list(found.measurement_layer[0]) == [4, 6, 7]
    layer = ak.to_numpy(ak.flatten(columns["hit_layer"])).copy()
    layer[:2] = 0  # the first two are of one layer
    found = read(events(hit_layer=ak.unflatten(layer, 16)))
    assert ak.to_list(found.measurement_number[0]) == [4, 5, 6, 7]


def test_a_track_of_three_measurements_has_no_row():
    columns = events(10)
    outlier = ak.to_numpy(ak.flatten(columns["state_outlier"])).copy()
    outlier[3:8] = 1
    columns["state_outlier"] = ak.unflatten(outlier, 16)
    found = read(columns)
    assert len(found) == 9
    assert ak.to_list(found.track_index[:2]) == [1, 0]
    none = read(events(10, state_outlier=ak.ones_like(columns["state_outlier"])))
    assert len(none) == 0


def test_charge_and_direction_along_the_beam_change_nothing():
    """A track mirrored in x and z has the same inputs and residuals."""
    columns = events(40, each=1)
    place = {name: ak.to_numpy(ak.flatten(columns[name])) for name in columns if "hit_" in name[:4]}
    layer, side = np.divmod(place["hit_surface"], 100)
    mirrored = dict(columns)
    # x → −x turns the side k to 8 − k and its axis loc0 around; z → −z that of loc1.
    mirrored["hit_surface"] = ak.unflatten(100 * layer + (SIDES // 2 - side) % SIDES, 8)
    for name in ("hit_loc0", "hit_loc1", "state_predicted_loc0", "state_predicted_loc1"):
        mirrored[name] = -columns[name]
    first, second = read(columns), read(mirrored)
    for name in first.fields:
        own, other = (ak.to_numpy(ak.flatten(one[name], axis=None)) for one in (first, second))
        if name.rpartition("_")[2] in ("loc0", "loc1", "fit0", "fit1", "scale0", "scale1"):
            continue  # in the axes of the module
        if name != "measurement_surface":
            np.testing.assert_allclose(own, other, rtol=1e-3, atol=2e-4, err_msg=name)


@pytest.mark.parametrize(
    ("column", "value", "message"),
    [
        ("hit_loc0", np.nan, "event 1, track 0: 'hit_loc0' is not finite"),
        ("state_predicted_loc1", np.inf, "event 1, track 0: 'state_predicted_loc1' is not finite"),
        ("hit_variance1", 0.0, "event 1, track 0: 'hit_variance1' is not above 0"),
        ("hit_surface", 999, "event 1, track 0: its module 999 is not in the geometry"),
        ("state_hit", 16, "event 1, track 0: a state has a hit that does not exist"),
    ],
)
def test_bad_values_name_event_and_track(column, value, message):
    columns = events()
    flat = ak.to_numpy(ak.flatten(columns[column])).copy()
    flat[18] = value
    with pytest.raises(DataError, match=message):
        read(columns | {column: ak.unflatten(flat, 16)})


def test_events_without_states_or_modules_are_refused():
    columns = events(10)
    del columns["state_hit"]
    with pytest.raises(StudyError, match=r"no column 'state_hit'.*'states: true'"):
        read(columns)
    with pytest.raises(StudyError, match="the table has no geometry"):
        parts.build("transform", "track_measurements", {}, Arrays(events(10)))
    with pytest.raises(DataError, match="no column 'axis0_x'"):
        read(events(10), Geometry({"surface": [1], "x": [0.0], "y": [0.0], "z": [0.0]}, "surface"))
