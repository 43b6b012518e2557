"""Displaced vertices as rows: their tracks by truth, the classical fit, and its frame."""

import awkward as ak
import numpy as np
import pytest

from bunchtrain import parts
from bunchtrain.errors import DataError
from bunchtrain.simulation.acts.tables import perigee
from bunchtrain.tables.writing import write_parquet

SIGMA = np.array([0.02, 0.05, 2e-4, 2e-4, 1e-3])
FIELD, EVENTS = 2.0, 400


def helices(place, phi, theta, pt, charge):
    """Return perigee parameters (n, 5) of particles from places (n, 3)."""
    p = pt * np.cos(phi), pt * np.sin(phi), pt / np.tan(theta)
    d0, z0 = perigee(*place.T, p, charge * FIELD)
    r = pt / (charge * 2.99792458e-4 * FIELD)
    x, y = place[:, 0] + r * np.sin(phi), place[:, 1] - r * np.cos(phi)
    at_beam = np.arctan2(np.sign(r) * x, -np.sign(r) * y)
    return np.stack([d0, z0, at_beam, theta, charge * np.sin(theta) / pt], 1)


def make_events(path, displaced=5.0):
    """Write events of a vertex of three tracks away from the beam and two tracks at the beam."""
    random = np.random.default_rng(1)
    angle = random.uniform(-np.pi, np.pi, EVENTS)
    far = displaced * np.stack([np.cos(angle), np.sin(angle), np.zeros(EVENTS)], 1)
    place = np.repeat(np.stack([far, np.zeros((EVENTS, 3))], 1), [3, 2], axis=1).reshape(-1, 3)
    n = len(place)
    phi = np.repeat(angle, 5) + random.uniform(-0.5, 0.5, n)
    theta, pt = random.uniform(0.8, 2.2, n), random.uniform(0.7, 3, n)
    charge = random.choice([-1.0, 1.0], n)
    values = helices(place, phi, theta, pt, charge) + random.normal(0, SIGMA, (n, 5))
    covariance = np.zeros((n, 15))
    covariance[:, [0, 2, 5, 9, 14]] = SIGMA**2
    flat = dict(zip(("d0", "z0", "phi", "theta", "qop"), values.T, strict=True))
    flat |= {"covariance": covariance, "particle": np.tile(np.arange(5), EVENTS)}
    columns = {f"track_{name}": ak.unflatten(one, 5) for name, one in flat.items()}
    columns |= {f"particle_{a}": ak.unflatten(place[:, k], 5) for k, a in enumerate("xyz")}
    columns["particle_primary"] = ak.unflatten(np.ones(n, np.int64), 5)
    write_parquet(path, [columns | {"event_id": np.arange(EVENTS)}])


def rows(folder, changed=None, **options):
    make_events(folder / "events.parquet")
    if changed is not None:
        events = ak.from_parquet(folder / "events.parquet")
        columns = {name: events[name] for name in events.fields}
        write_parquet(folder / "events.parquet", [columns | changed(columns)])
    source = parts.build("source", "files", {"files": str(folder / "events.parquet")})
    made = parts.find("transform", "decay_vertices")(source, **options)
    return ak.concatenate(list(made.blocks(list(made.fields()), 150)))


def test_a_displaced_vertex_is_a_row_with_its_fit(tmp_path):
    found = rows(tmp_path)
    assert len(found) > 0.97 * EVENTS  # the others have a large χ²
    assert set(found.tracks.to_list()) == {3}
    assert ak.num(found.track_d).to_list() == [3] * len(found)
    np.testing.assert_allclose(found.radius, 5.0, rtol=1e-5)
    np.testing.assert_allclose(found.fit_radius, 5.0, atol=1.5)
    for axis in "ltz":
        pulls = ak.to_numpy(found[f"decay_{axis}"])
        assert pulls.std() == pytest.approx(1, abs=4 / np.sqrt(2 * len(found)))
        assert abs(pulls.mean()) < 4 / np.sqrt(len(found))
    # The frame is along the tracks, in which they are least certain.
    assert np.median(found.width_l) > 2 * np.median(found.width_t)
    assert abs(ak.mean(found.track_dphi)) < 0.1
    assert ak.max(abs(found.track_dphi)) < 1.2


def test_vertices_outside_the_limits_are_left_out(tmp_path):
    assert len(rows(tmp_path, closest=6.0)) == 0
    assert len(rows(tmp_path, furthest=4.0)) == 0
    assert len(rows(tmp_path, least=4)) == 0
    assert len(rows(tmp_path, closest=0.0)) > 1.9 * EVENTS  # the two tracks at the beam as well


def test_a_table_without_tracks_is_refused(tmp_path):
    write_parquet(tmp_path / "x.parquet", [{"particle_x": ak.Array([[1.0]])}])
    source = parts.build("source", "files", {"files": str(tmp_path / "x.parquet")})
    with pytest.raises(DataError, match="there is no column 'particle_y'"):
        parts.find("transform", "decay_vertices")(source)


def with_first(name, value):
    """Return a change of a column: the value of the first track of the first event."""

    def changed(columns):
        lists = columns[name].to_list()
        lists[0][0] = value
        return {name: ak.Array(lists)}

    return changed


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("track_covariance", [np.nan] * 15),
        ("track_covariance", [0.0] * 15),
        ("track_qop", 0.0),
        ("track_theta", 0.0),
        ("track_theta", 3.2),
        ("track_d0", np.inf),
    ],
)
def test_tracks_that_are_no_helices_are_left_out(tmp_path, name, value):
    first = rows(tmp_path, with_first(name, value))[0]
    assert first.event_id == 0
    assert first.tracks == 2
    assert np.isfinite(first.chi2)


def test_lists_that_do_not_fit_are_refused(tmp_path):
    with pytest.raises(DataError, match="event 0 of a block has the particle 5"):
        rows(tmp_path, with_first("track_particle", 5))
    with pytest.raises(DataError, match="numbers for 750 tracks"):
        rows(tmp_path, with_first("track_covariance", [0.1] * 14))
