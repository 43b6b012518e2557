"""Density of tracks along the beam: kernels and targets by value, truth and bad tracks."""

import awkward as ak
import numpy as np
import pytest
from scipy.stats import norm

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.tables.writing import write_parquet

GRID = {"half": 10.0, "width": 0.5}


def covariance(d0=0.02, z0=0.4):
    found = np.zeros(15)
    found[[0, 2]] = d0**2, z0**2
    return found.tolist()


def columns():
    """Three events: three tracks of two collisions, none, and two tracks of one."""
    made = {
        "track_d0": [[0.0, 0.02, 0.04], [], [0.0, 0.0]],
        "track_z0": [[1.1, 1.3, -4.0], [], [9.9, 3.0]],
        "track_theta": [[np.pi / 2] * 3, [], [np.pi / 6] * 2],
        "track_qop": [[0.5, -0.5, 0.02], [], [1.0, 1.0]],
        "track_covariance": [[covariance()] * 3, [], [covariance(z0=0.1)] * 2],
        "track_particle": [[0, 2, 1], [], [0, -1]],
        "particle_collision": [[0, 1, 0], [], [0]],
        "particle_primary": [[1, 1, 1], [], [0]],
        "collision_z": [[1.0, -4.2], [3.0], [9.8]],
    }
    return {name: ak.Array(values) for name, values in made.items()}


def source(folder, changed=None, **options):
    path = folder / "tracks.parquet"
    write_parquet(path, [columns() | (changed or {})])
    given = {"tracks": {"name": "files", "files": str(path)}, **GRID, **options}
    return parts.build("source", "track_density", given)


def read(table, *names):
    return ak.concatenate(list(table.blocks(list(names), 2)))


def test_kernels_are_sums_over_tracks(tmp_path):
    names = ("bin_z", "bin_tracks", "bin_squares", "bin_compatible", "bin_momentum")
    found = read(source(tmp_path), *names, "bin_displaced", "track_z0")
    z = np.array(found.bin_z[0])
    np.testing.assert_allclose(z, np.arange(-9.75, 10, 0.5), atol=1e-5)
    part = [norm.cdf(z + 0.25, at, 0.4) - norm.cdf(z - 0.25, at, 0.4) for at in (1.1, 1.3, -4.0)]
    weight = np.exp(-0.5 * np.array([0, 1, 2]) ** 2)
    sums = {
        "bin_tracks": sum(w * p for w, p in zip(weight, part, strict=True)),
        "bin_squares": sum(w * p**2 for w, p in zip(weight, part, strict=True)),
        "bin_momentum": sum(w * p * k for w, p, k in zip(weight, part, (2, 2, 10), strict=True)),
        "bin_displaced": sum((1 - w) * p for w, p in zip(weight, part, strict=True)),
    }
    for name, expected in sums.items():
        np.testing.assert_allclose(found[name][0], expected, atol=1e-3)
    near = [np.maximum(np.abs(z - at) - 0.25, 0) / 0.4 for at in (1.1, 1.3, -4.0)]
    expected = sum(w * np.exp(-0.5 * one**2) for w, one in zip(weight, near, strict=True))
    np.testing.assert_allclose(found.bin_compatible[0], expected, atol=1e-3)
    assert ak.sum(found.bin_tracks[1]) == 0
    assert found.track_z0.to_list()[1] == []
    # Of the last track but one half lies beyond the bins.
    assert ak.sum(found.bin_tracks[2]) == pytest.approx(1 + norm.cdf(1.0), abs=1e-3)


def test_the_target_has_area_one_for_each_collision_with_enough_tracks(tmp_path):
    table = source(tmp_path, narrowest=0.2, widest=0.6)
    found = read(table, "bin_vertices", "bin_z", "track_collision", "collision_tracks")
    assert found.track_collision.to_list() == [[0, 0, 1], [], [-1, -1]]
    assert found.collision_tracks.to_list() == [[2, 1], [0], [0]]
    z, sigma = np.array(found.bin_z[0]), 0.4 / np.sqrt(2)
    expected = norm.cdf(z + 0.25, 1.0, sigma) - norm.cdf(z - 0.25, 1.0, sigma)
    np.testing.assert_allclose(found.bin_vertices[0], expected, atol=1e-4)
    assert ak.sum(found.bin_vertices, axis=1).to_list() == pytest.approx([1, 0, 0], abs=1e-3)
    assert ak.sum(read(source(tmp_path, least=1), "bin_vertices").bin_vertices) == pytest.approx(
        2, abs=1e-3
    )


def test_without_truth_there_are_the_kernels_alone(tmp_path):
    path = tmp_path / "data.parquet"
    kept = {name: one for name, one in columns().items() if name.startswith("track_")}
    write_parquet(path, [kept])
    given = {"tracks": {"name": "files", "files": str(path)}, **GRID}
    table = parts.build("source", "track_density", given)
    assert "bin_tracks" in table.fields()
    assert "bin_vertices" not in table.fields()
    assert len(read(table, "bin_tracks")) == 3


@pytest.mark.parametrize(
    ("name", "values", "message"),
    [
        ("track_z0", [[1.0, np.nan, 2.0], [], [1.0, 1.0]], "the z0 of track 1 of event 0 is nan"),
        ("track_qop", [[1.0] * 3, [], [1.0, np.inf]], "the qop of track 1 of event 2 is inf"),
        (
            "track_covariance",
            [[covariance()] * 3, [], [covariance(z0=0.0)] * 2],
            "the variance of z0 of track 0 of event 2 is 0 and must be positive",
        ),
    ],
)
def test_a_bad_track_is_named(tmp_path, name, values, message):
    with pytest.raises(DataError, match=message):
        read(source(tmp_path, {name: ak.Array(values)}), "bin_tracks")


def test_options_that_do_not_fit_end_in_a_sentence(tmp_path):
    with pytest.raises(StudyError, match="twice of it a multiple"):
        source(tmp_path, half=10.1, width=0.3)
    with pytest.raises(StudyError, match="narrowest must not be above widest"):
        source(tmp_path, narrowest=0.5)
    with pytest.raises(StudyError, match="give a source by its 'name'"):
        parts.build("source", "track_density", {"tracks": {"files": "x"}})
    write_parquet(tmp_path / "x.parquet", [{"a": np.arange(3)}])
    given = {"name": "files", "files": str(tmp_path / "x.parquet")}
    with pytest.raises(StudyError, match="there is no column 'track_d0'; it has a"):
        parts.build("source", "track_density", {"tracks": given})
