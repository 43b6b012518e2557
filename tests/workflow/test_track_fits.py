"""Track fits of a whole run: tracks of a network, and of the columns, with a geometry beside."""

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from barrel_tracker import (  # type: ignore[import-not-found]
    ERRORS,
    RADII,
    hits,
    modules,
    origins,
)
from test_other_shapes import hit_study  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.study.loading import validate
from bunchtrain.tables.arrays import Arrays
from bunchtrain.tables.geometry import Geometry
from bunchtrain.transforms._track_fits import LOWER

TRACKS = 4
SPECTATORS = [
    *(f"particle_{n}" for n in ("x", "y", "z", "px", "py", "pz", "charge")),
    *(f"hit_{n}" for n in ("surface", "loc0", "loc1", "variance0", "variance1")),
    "track_hits",
]


def events(count):
    """Events of four particles, and their tracks in `track_hits`."""
    free = origins(TRACKS * count)
    surface, local = hits(free)
    number, columns = modules()
    row = np.searchsorted(number, surface)
    place = [columns[c][row] + local[:, :, 0] * columns[f"axis0_{c}"][row]
             + local[:, :, 1] * columns[f"axis1_{c}"][row] for c in "xyz"]  # fmt: skip
    flat = {f"hit_{c}": one for c, one in zip("xyz", place, strict=True)}
    flat |= {"hit_surface": surface, "hit_loc0": local[:, :, 0], "hit_loc1": local[:, :, 1]}
    flat |= {f"hit_variance{k}": np.full(surface.shape, ERRORS[k] ** 2) for k in range(2)}
    flat["hit_track"] = np.repeat(np.arange(len(free)) % TRACKS, len(RADII))
    flat["hit_layer"] = np.tile(np.arange(len(RADII)), len(free))
    size = np.full(count, TRACKS * len(RADII))
    table = {
        name: ak.unflatten(np.ascontiguousarray(values).ravel(), size)
        for name, values in flat.items()
    }
    p, sine = 1 / np.abs(free[:, 5]), np.sin(free[:, 4])
    truth = dict(zip("xyz", free[:, :3].T, strict=True)) | {"charge": np.sign(free[:, 5])}
    truth |= {"px": p * sine * np.cos(free[:, 3]), "py": p * sine * np.sin(free[:, 3])}
    truth["pz"] = p * np.cos(free[:, 4])
    of_particles = np.full(count, TRACKS)
    table |= {
        f"particle_{n}": ak.unflatten(np.ascontiguousarray(v), of_particles)
        for n, v in truth.items()
    }
    index = np.tile(np.arange(TRACKS * len(RADII)), count)
    lists = ak.unflatten(ak.unflatten(index, len(RADII)), of_particles)
    return ak.Array(table | {"track_hits": lists, "busy": np.arange(count) % 2})


def geometry():
    number, columns = modules()
    return Geometry({"surface": number, **columns}, "surface")


class WithGeometry(Arrays):
    @property
    def conditions(self):
        return {"geometry": geometry()}


class WithoutAxes(Arrays):
    @property
    def conditions(self):
        return {"geometry": Geometry({"surface": [1], "z": [0.0]}, "surface")}


def fitted(made, **options):
    options = {"cylinders": [], **options}
    return parts.build("transform", "kalman_fit", options, WithGeometry(made))


def test_tracks_are_columns_of_a_table():
    made = events(30)
    table = fitted(made)
    block = next(table.blocks(["busy", *table.made], 100))
    assert {n: str(block[n].type.content) for n in table.made} == table.made
    assert ak.all(ak.num(block.fit_d0) == TRACKS)
    assert block.fit_hits.to_list() == made.track_hits.to_list()
    p = np.sqrt(made.particle_px**2 + made.particle_py**2 + made.particle_pz**2)
    sigma = np.sqrt(block.fit_covariance[:, :, 14])
    pull = (block.fit_qop - made.particle_charge / p) / sigma
    assert ak.std(pull) == pytest.approx(1, abs=0.25)
    # the index of the track of each hit gives the same tracks
    other = fitted(made, tracks="hit_track", output="again")
    again = next(other.blocks(["again_z0", "again_covariance"], 100))
    np.testing.assert_allclose(ak.flatten(again.again_z0), ak.flatten(block.fit_z0))


def test_what_a_fit_lacks_ends_in_a_sentence():
    made = events(3)
    with pytest.raises(DataError, match="'kalman_fit': there is no column 'track_hit'; did you"):
        fitted(made, tracks="track_hit")
    with pytest.raises(StudyError, match="has a column 'track_hits' already"):
        fitted(made, output="track")
    bare = parts.build("transform", "kalman_fit", {}, Arrays(made))
    with pytest.raises(DataError, match="needs the conditions 'geometry' of the events"):
        next(bare.blocks(["fit_d0"], 10))
    poor = parts.build("transform", "kalman_fit", {}, WithoutAxes(made))
    with pytest.raises(DataError, match="a track fit needs the column 'x' of the geometry"):
        next(poor.blocks(["fit_d0"], 10))


def study(folder, made, **changes):
    pq.write_table(ak.to_arrow_table(made, extensionarray=False), folder / "hits.parquet")
    number, columns = modules()
    pq.write_table(pa.table({"surface": number, **columns}), folder / "geometry.parquet")
    one = {
        **{"name": "track_parameters", "select": "particle_px ** 2 + particle_py ** 2 > 0.25"},
        "against": ["sqrt(particle_px**2 + particle_py**2)"],
        **{"bins": 3, "cylinders": []},
        "baseline": [{"hits": "track_hits", "label": "true"}],
    }
    graph = {"name": "layered_graph", "group": "hit", "layer": "layer", "coordinates": ["u", "v"],
             "window": 0.3, "span": 1, "features": ["x", "y", "z"],
             "edge_features": ["second_u - first_u", "second_z - first_z"]}  # fmt: skip
    return hit_study(
        folder / "hits.parquet",
        **{
            "define": {
                "hit_u": "hit_x / sqrt(hit_x**2 + hit_y**2)",
                "hit_v": "hit_y / sqrt(hit_x**2 + hit_y**2)",
            },
            "conditions": {
                "geometry": {"files": str(folder / "geometry.parquet"), "key": "surface"}
            },
            "targets": {"pair": {"on": "edge", "same": "particle"}},
            "truth": {"particle": {"on": "hit", "ids": "hit_track"}},
            **{"representation": graph, "spectators": SPECTATORS},
            "model": {"name": "graph_network", "width": 16, "rounds": 2},
            "transforms": {"tracks": {"name": "connected_components", "one_to_one": True}},
            "training": {"epochs": 3, "batch_size": 16, "learning_rate": 0.005},
            "evaluation": [one],
        }
        | changes,
    )


def test_resolutions_and_pulls_of_found_tracks(tmp_path):
    made = events(300)
    run = bunchtrain.run(validate(study(tmp_path, made)), runs=tmp_path / "runs", jobs=1)
    found = run.metrics["graph_network"]
    assert 0.01 < found["d0_resolution"]["value"] < 0.2
    assert found["d0_resolution"]["error"] > 0
    for name in ("z0", "theta", "qopt"):
        assert found[f"{name}_pull_core"]["value"] == pytest.approx(1, abs=0.3)
    page = run.report().path.read_text(encoding="utf-8")
    assert "Parameters of matched tracks at the beam" in page
    # the parameters of another fit, from columns: here those of our own
    block = next(fitted(made).blocks(["fit_d0", "fit_z0", "fit_phi", "fit_theta", "fit_qop",
                                      "fit_covariance"], 1000))  # fmt: skip
    for name in block.fields:
        made = ak.with_field(made, block[name], name)
    other = study(tmp_path, made)
    other["spectators"] = [*SPECTATORS, *block.fields]
    rival = {"hits": "track_hits", "fitted": "fit", "label": "columns"}
    other["evaluation"][0]["baseline"] = [{"hits": "track_hits", "label": "true"}, rival]
    again = bunchtrain.run(validate(other), runs=tmp_path / "again", jobs=1)
    rows = again.json("evaluations/track_parameters/results.json")["tables"][0]["rows"]
    ours, columns = ([row[1:] for row in rows if row[0] == n] for n in ("true", "columns"))
    assert ours == columns
    assert len(LOWER[0]) == 15


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"baseline": {"hits": "track_hits", "fitted": "fit"}}, "'fit_d0' is not listed in 'spec"),
        ({"group": "hits"}, "the fit reads 'hits_surface' is not listed"),
        ({"particles": "parton"}, "'parton_x' is not listed"),
        ({"cylinders": [[19, 2]]}, "cylinders"),
        ({"field": 0}, "field: must be at least 0.01"),
    ],
)
def test_columns_that_a_fit_needs_are_named_before_work(tmp_path, changes, message):
    given = study(tmp_path, events(3))
    given["evaluation"][0] |= {"select": None, "against": [], **changes}
    with pytest.raises(StudyError, match=message):
        bunchtrain.run(validate(given), runs=tmp_path / "runs", jobs=1)
