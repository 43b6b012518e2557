"""Vertices from prepared tracks: a U-Net on their density, its peaks, and the other finders."""

import awkward as ak
import numpy as np
import pytest

import bunchtrain
from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.report.results import Results
from bunchtrain.study.loading import validate
from bunchtrain.tables.writing import write_parquet

EVENTS, EACH = 60, 10
PEAKS = {"name": "vertex_peaks"}
SIGMA = np.array([0.02, 0.05, 1e-3, 1e-3, 1e-3])


def make_events(path):
    """Write events of up to five collisions with ten tracks each; the first event has none."""
    random = np.random.default_rng(1)
    number = random.integers(1, 6, EVENTS)
    number[0] = 0
    z = random.uniform(-15, 15, number.sum())
    of = np.repeat(np.arange(len(z)), EACH)
    true = np.zeros((len(of), 5))
    true[:, 1], true[:, 2] = z[of], random.uniform(-3, 3, len(of))
    true[:, 3], true[:, 4] = random.uniform(0.4, 2.7, len(of)), random.uniform(0.2, 1, len(of))
    values = true + random.normal(0, SIGMA, true.shape)
    covariance = np.zeros((len(of), 15))
    covariance[:, [0, 2, 5, 9, 14]] = SIGMA**2
    tracks = number * EACH
    own = of - np.repeat(np.cumsum(number) - number, tracks)
    columns = {
        f"track_{name}": ak.unflatten(values[:, k], tracks)
        for k, name in enumerate(("d0", "z0", "phi", "theta", "qop"))
    }
    columns["track_covariance"] = ak.unflatten(covariance, tracks)
    columns["track_particle"] = ak.local_index(columns["track_d0"])
    columns["particle_collision"] = ak.unflatten(own, tracks)
    columns["particle_primary"] = ak.unflatten(np.ones(len(own), np.int64), tracks)
    columns["collision_z"] = ak.unflatten(z, number)
    columns["vertex_z"] = columns["collision_z"] + 0.01  # another finder, always right
    write_parquet(path, [columns | {"number": number}])


def study_of(path, **changes):
    parameters = [f"track_{name}" for name in ("d0", "z0", "phi", "theta", "qop", "covariance")]
    return {
        "name": "vertices",
        "source": {
            "name": "track_density", "half": 16.0, "width": 0.25,
            "tracks": {"name": "files", "files": str(path)},
        },
        "targets": {"vertex": {"on": "bin", "values": {"number": "bin_vertices"}}},
        "spectators": [*parameters, "track_collision", "collision_z", "collision_tracks",
                       "vertex_z"],
        "representation": {"name": "sequence", "group": "bin", "coordinates": ["z"],
                           "length": 128, "features": ["log(1 + tracks)", "log(1 + compatible)"]},
        "model": {"name": "u_net_1d", "length": 128, "channels": [8, 8], "widths": []},
        "loss": "mean_squared_error",
        "training": {"epochs": 15, "batch_size": 4, "learning_rate": 0.01, "threads": 1},
        "transforms": {"vertices": {"name": "vertex_peaks", "integral": 0.5}},
        "evaluation": [{
            "name": "vertex_finding", "found": {"finder": "vertex"},
            "baselines": {"annealing": {"name": "deterministic_annealing"}},
        }],
    } | changes  # fmt: skip


@pytest.fixture(scope="module")
def path(tmp_path_factory):
    made = tmp_path_factory.mktemp("tracks") / "tracks.parquet"
    make_events(made)
    return made


@pytest.fixture(scope="module")
def run(path):
    study = validate(study_of(path) | {"storage": {"folder": str(path.parent / "cache")}})
    return bunchtrain.run(study, runs=path.parent / "runs", jobs=1)


def rows_of(run):
    results = Results.load(run.files.path / "evaluations" / "vertex_finding")
    return results, {row[0]: row for row in results.tables[0].rows}


def test_a_network_finds_the_vertices_with_their_tracks(run):
    found = run.metrics["u_net_1d"]
    assert found["vertex_efficiency"]["value"] > 0.9
    assert found["false_vertices"]["value"] < 0.2
    assert found["vertex_resolution"]["value"] == pytest.approx(0.05 / np.sqrt(EACH), rel=0.4)
    assert found["association_efficiency"]["value"] > 0.9
    assert found["association_purity"]["value"] > 0.9
    columns = run.predictions.columns
    assert ak.num(columns["u_net_1d_vertices"]).to_list() == ak.num(columns["track_z0"]).to_list()


def test_the_other_finders_are_in_the_same_table(run):
    results, rows = rows_of(run)
    assert list(rows) == ["u_net_1d", "annealing", "finder"]
    assert float(rows["annealing"][1].split()[0]) > 0.95
    # It lies 10 µm beside all collisions, and nothing is known of its tracks.
    assert rows["finder"][1].startswith("1")
    assert rows["finder"][3].startswith("0")
    assert rows["finder"][6:9] == ["–"] * 3
    captions = " ".join(plot.caption for plot in results.plots)
    assert "of the test set: collisions" in captions


def test_new_events_get_their_vertices(run, path, tmp_path):
    new = tmp_path / "new.parquet"
    table = ak.from_parquet(path)
    kept = [name for name in table.fields if name.startswith("track_")]
    write_parquet(new, [{name: table[name][:5] for name in kept if name != "track_particle"}])
    given = {"half": 16.0, "width": 0.25, "tracks": {"name": "files", "files": str(new)}}
    source = parts.build("source", "track_density", given)
    assert run.predict(source, tmp_path / "scores.parquet") == 5
    found = ak.from_parquet(tmp_path / "scores.parquet")
    assert ak.num(found.u_net_1d_vertices).to_list() == ak.num(table.track_z0[:5]).to_list()
    assert ak.max(found.u_net_1d_vertices) >= 1


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"evaluation": "vertex_finding", "transforms": {}}, "needs a transform"),
        ({"evaluation": [{"name": "vertex_finding", "found": {"other": "vertx"}}]}, "'vertx_z' is"),
        (
            {"evaluation": [{"name": "vertex_finding", "found": {"u_net_1d": "vertex"}}]},
            "'u_net_1d' is the name of a model, a finder or a baseline twice",
        ),
        (
            {"evaluation": [{"name": "vertex_finding", "baselines": {"a": PEAKS}}]},
            "reads predictions",
        ),
    ],
)  # fmt: skip
def test_what_does_not_fit_ends_in_a_sentence(path, changes, message):
    with pytest.raises(StudyError, match=message):
        validate(study_of(path, **changes))
