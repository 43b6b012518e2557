"""Whole runs of other shapes: labels of points and edges, no targets, rows of objects, windows."""

import html
import sys

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest

import bunchtrain
from bunchtrain.cli.main import main
from bunchtrain.errors import DataError, ExportError, RunError, StudyError
from bunchtrain.study.loading import validate


def write_hits(path, events=800, seed=1):
    """Straight tracks through four planes, and noise; the identifier of noise is −1."""
    random = np.random.default_rng(seed)
    counts = random.integers(2, 5, events)
    tracks = int(counts.sum())
    slope = random.uniform(-1, 1, (tracks, 2))
    plane = np.arange(1.0, 5.0)
    x = (slope[:, :1] * plane + 0.005 * random.normal(size=(tracks, 4))).ravel()
    y = (slope[:, 1:] * plane + 0.005 * random.normal(size=(tracks, 4))).ravel()
    own = np.concatenate([np.repeat(np.arange(n), 4) for n in counts])
    noise = random.integers(0, 4, events)
    table = {
        "hit_x": ak.unflatten(x, 4 * counts),
        "hit_y": ak.unflatten(y, 4 * counts),
        "hit_z": ak.unflatten(np.tile(plane, tracks), 4 * counts),
        "hit_track": ak.unflatten(own, 4 * counts),
    }
    fake = {
        "hit_x": random.uniform(-4, 4, noise.sum()),
        "hit_y": random.uniform(-4, 4, noise.sum()),
        "hit_z": random.integers(1, 5, noise.sum()).astype(float),
        "hit_track": np.full(noise.sum(), -1),
    }
    table = {k: ak.concatenate([v, ak.unflatten(fake[k], noise)], axis=1) for k, v in table.items()}
    table["busy"] = (counts > 3).astype(int)
    pq.write_table(ak.to_arrow_table(ak.Array(table), extensionarray=False), path)
    return ak.Array(table)


def hit_study(path, **changes):
    study = {
        "name": "hits",
        "source": {"name": "files", "files": str(path)},
        "define": {"hit_u": "hit_x / hit_z", "hit_v": "hit_y / hit_z"},
        "targets": {
            "event": {"classes": {"quiet": "busy == 0", "busy": "busy == 1"}},
            "origin": {
                "on": "hit",
                "classes": {"noise": "hit_track < 0", "track": "hit_track >= 0"},
            },
            "pair": {"on": "edge", "same": "hit_track"},
        },
        "spectators": ["hit_z"],
        "split": {"name": "fraction", "train": 0.5, "validation": 0.25, "test": 0.25},
        "representation": {
            **{"name": "graph", "group": "hit", "k": 4, "max_points": 15, "order": "-z"},
            **{"features": ["x", "y", "z", "u", "v"], "coordinates": ["u", "v"]},
        },
        "model": {"name": "particle_flow_network", "phi": [32, 32], "f": [8]},
        "training": {"epochs": 6, "batch_size": 16, "learning_rate": 0.003},
    }
    return study | changes


@pytest.fixture(scope="module")
def hits(tmp_path_factory):
    folder = tmp_path_factory.mktemp("hits")
    events = write_hits(folder / "hits.parquet")
    study = validate(hit_study(folder / "hits.parquet"))
    return folder, events, bunchtrain.run(study, runs=folder / "runs", jobs=1)


def test_labels_of_events_points_and_edges_in_one_run(hits):
    _, events, run = hits
    metrics = run.metrics["particle_flow_network"]
    assert metrics["pair:auc"]["value"] > 0.8  # edges of hits in one direction
    assert {"event:auc", "origin:auc"} <= set(metrics)
    table = run.predictions
    pairs = table.rows("pair")
    first = table.columns["particle_flow_network_pair_edge_first"]
    second = table.columns["particle_flow_network_pair_edge_second"]
    track = events.hit_track[table.columns["entry"]]
    same = (track[first] == track[second]) & (track[first] >= 0)
    assert np.array_equal(pairs.columns["pair"], ak.to_numpy(ak.flatten(same)).astype(int))
    assert ak.all(ak.num(first) == ak.num(second))
    points = table.rows("origin")
    # The points of largest −z are kept: 15 of an event at most.
    counts = ak.to_numpy(ak.num(track))
    assert len(points) == np.minimum(counts, 15).sum()
    assert np.isin(points.columns["hit_z"], [1, 2, 3, 4]).all()
    assert len(points.columns["weight"]) == len(points)


def test_hits_beyond_the_maximum_are_reported(hits):
    _, _, run = hits
    warning = "points of 'hit' ({} %) are left out, which have no prediction: raise 'max_points'"
    text = run.report().path.read_text(encoding="utf-8")
    training = run.events(10**4, ["hit_x"], "train")
    counts = np.concatenate([ak.to_numpy(ak.num(block.hit_x)) for block in training])
    left = np.maximum(counts - 15, 0).sum()
    (found,) = run.json("models/particle_flow_network/training.json")["warnings"]
    wanted = warning.format(f"{100 * left / counts.sum():.2g}")
    assert found.startswith(f"{left:,} of {counts.sum():,} {wanted} of the representation")
    assert warning.partition("{")[0] in html.unescape(text)
    checked = bunchtrain.check(run.study)
    assert any("which have no prediction: raise 'max_points'" in one for one in checked.warnings)
    full = run.study.representation.model_copy(update={"max_points": None})
    assert full.max_points is None
    assert not bunchtrain.check(run.study.model_copy(update={"representation": full})).warnings


def test_predictions_of_a_file_are_lists_in_its_order(hits):
    folder, events, run = hits
    run.predict(str(folder / "hits.parquet"), folder / "scores.parquet")
    found = ak.from_parquet(folder / "scores.parquet")
    scores = found.particle_flow_network_origin_track
    assert ak.all(ak.num(scores) == ak.num(events.hit_x))
    missing = ak.sum(np.isnan(scores), axis=1)
    assert missing.tolist() == np.maximum(ak.to_numpy(ak.num(events.hit_x)) - 15, 0).tolist()
    entry = run.predictions.columns["entry"]
    saved = run.predictions.columns["particle_flow_network_origin_track"]
    assert np.allclose(
        ak.to_numpy(ak.flatten(scores[entry])), ak.to_numpy(ak.flatten(saved)), 1e-5, 1e-6, True
    )
    run.predict(str(folder / "hits.parquet"), folder / "scores.root")
    with pytest.raises(Exception, match="CSV"):
        run.predict(str(folder / "hits.parquet"), folder / "scores.csv")


def test_such_a_model_is_exported_to_onnx_and_to_nothing_else(hits):
    pytest.importorskip("onnxruntime")
    _, _, run = hits
    exported = run.export("onnx", model="particle_flow_network", events=60)
    compared = exported.verifications["particle_flow_network"].agreements
    assert [one.what for one in compared if one.what.endswith("model, points")]
    with pytest.raises(ExportError, match="outputs for points and edges are exported to 'onnx'"):
        run.export("cpp", model="particle_flow_network")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"representation.group": "track"}, "'hit' is neither event, edge nor 'track'"),
        (
            {"representation": {"name": "table", "features": ["busy"]}},
            "has no points; choose point",
        ),
        ({"representation.name": "point_cloud"}, "has no edges; choose graph"),
        ({"model": "particle_transformer"}, "needs 'momenta'"),
        ({"model": "energy_flow_network"}, "needs 'momenta'"),
        ({"posterior": "mc_dropout"}, "is for targets of events"),
        (
            {"targets": {"pair": {"on": "edge", "classes": {"a": "hit_x > 0", "b": "hit_x < 0"}}}},
            "makes the edges, which have no columns; use 'same'",
        ),
        ({"targets": {"pair": {"on": "hit", "ids": "hit_track"}}}, "no loss predicts 'ids'"),
    ],
)
def test_parts_that_do_not_fit_are_rejected_before_work(hits, changes, message):
    folder, _, _ = hits
    plain = hit_study(folder / "hits.parquet")
    for key, value in changes.items():
        owner, _, option = key.partition(".")
        plain[owner] = plain[owner] | {option: value} if option else value
    if plain["representation"]["name"] == "point_cloud":
        plain["representation"].pop("k")
    with pytest.raises(StudyError, match=message):
        bunchtrain.run(validate(plain), runs=folder / "none", jobs=1)


@pytest.mark.parametrize(
    ("target", "message"),
    [
        ({"on": "edge", "ids": "track"}, "'ids' belongs to a target of points"),
        ({"same": "track"}, "'same' belongs to a target with 'on: edge'"),
        (
            {"on": "edge", "same": "x", "values": {"a": "x"}},
            "has one of 'classes', 'values', 'same'",
        ),
    ],
)
def test_targets_that_contradict_themselves(target, message):
    with pytest.raises(StudyError, match=message):
        validate(hit_study("none.parquet", targets={"pair": target}))


def method_study(path, **changes):
    study = {
        "name": "unlabelled",
        "source": {"name": "files", "files": str(path)},
        "truth": {"kind": {"classes": {"normal": "odd == 0", "odd": "odd == 1"}}},
        "split": {"name": "fraction", "train": 0.5, "validation": 0.25, "test": 0.25},
        "representation": {"name": "table", "features": ["x", "y"], "condition": ["c"]},
        "training": {"epochs": 8, "batch_size": 64, "select": "odd == 0", "learning_rate": 0.01},
        "models": {
            "flow": {"method": {"name": "normalizing_flow", "transforms": 2, "hidden": [16]}},
            "matching": {"method": {"name": "flow_matching", "widths": [32], "steps": 5}},
            "compressed": {
                "representation": {"name": "table", "features": ["x", "y"], "condition": []},
                "method": {"name": "autoencoder", "latent": 1, "widths": [8]},
            },
        },
    }
    return study | changes


@pytest.fixture(scope="module")
def unlabelled(tmp_path_factory):
    folder = tmp_path_factory.mktemp("unlabelled")
    random = np.random.default_rng(1)
    odd = (random.uniform(size=2000) < 0.1).astype(int)
    c = random.uniform(-1, 1, 2000)
    x = c + 0.3 * random.normal(size=2000)
    y = np.where(odd == 1, -x, x) + 0.2 * random.normal(size=2000) + odd
    table = ak.Array({"x": x, "y": y, "c": c, "odd": odd})
    pq.write_table(ak.to_arrow_table(table, extensionarray=False), folder / "events.parquet")
    study = validate(method_study(folder / "events.parquet"))
    return folder, bunchtrain.run(study, runs=folder / "runs", jobs=1)


def test_methods_without_targets_in_one_run(unlabelled):
    folder, run = unlabelled
    assert run.metrics["flow"]["anomaly_auc"]["value"] > 0.75
    assert run.metrics["compressed"]["anomaly_auc"]["value"] > 0.5
    assert 0.4 < run.metrics["flow"]["two_sample_auc"]["value"] < 0.9
    assert "anomaly_auc" not in run.metrics["matching"]
    assert "two_sample_auc" not in run.metrics["compressed"]
    assert run.report().path.is_file()
    run.predict(str(folder / "events.parquet"), folder / "scores.parquet")
    names = pq.read_schema(folder / "scores.parquet").names
    assert names == ["flow_anomaly_score", "flow_log_likelihood", "compressed_anomaly_score"]
    assert bunchtrain.resume(run.folder).metrics == run.metrics


def test_generated_events(unlabelled):
    _, run = unlabelled
    given = {"c": np.full(500, 0.5)}
    made = run.generate(500, conditions=given)
    assert made.fields == ["x", "y", "c"]
    assert np.mean(made.x) == pytest.approx(0.5, abs=0.2)
    assert ak.array_equal(made, run.generate(500, conditions=given))
    assert not ak.array_equal(made, run.generate(500, conditions=given, seed=2))
    other = run.generate(500, model="matching", conditions=given)
    assert np.mean(other.x) == pytest.approx(0.5, abs=0.4)
    with pytest.raises(RunError, match="model 'compressed' does not generate events; there are"):
        run.generate(5, model="compressed", conditions=given)
    with pytest.raises(DataError, match="generates events of given c; give a file with these"):
        run.generate(5)


def test_the_command_writes_generated_events(unlabelled, monkeypatch, capsys):
    folder, run = unlabelled
    wanted = {"c": np.full(300, -0.5), "unused": ["text"] * 300}
    table = ak.to_arrow_table(ak.Array(wanted), extensionarray=False)
    pq.write_table(table, folder / "wanted.parquet")
    words = ["generate", run.folder, "-o", folder / "made.parquet"]
    words += ["--conditions", folder / "wanted.parquet", "--rows", 300]
    monkeypatch.setattr(sys, "argv", ["bunchtrain", *map(str, words)])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    made = ak.from_parquet(folder / "made.parquet")
    expected = run.generate(300, conditions={"c": wanted["c"]})
    assert np.allclose(made.x, expected.x)
    monkeypatch.setattr(sys, "argv", ["bunchtrain", *map(str, words), "--rows", "301"])
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 2
    assert "there are 300 conditions for 301 events; give as many" in capsys.readouterr().err


def test_a_model_needs_targets_and_a_method_none():
    plain = method_study("none.parquet", models={}, model="dense_network")
    with pytest.raises(StudyError, match="key 'targets' is missing: a model is trained on targets"):
        validate(plain)
    plain = method_study("none.parquet", truth={}, evaluation="anomaly_detection")
    with pytest.raises(StudyError, match=r"anomaly_detection.* needs a target with classes"):
        validate(plain)


def test_windows_of_a_series(tmp_path):
    random = np.random.default_rng(1)
    time = np.arange(1500.0)
    fault = ((time > 1200) & (time < 1400)).astype(int)
    value = np.sin(time / 5) + 0.05 * random.normal(size=1500) + fault * random.normal(size=1500)
    table = ak.Array({"time": time, "value": value, "fault": fault})
    pq.write_table(ak.to_arrow_table(table, extensionarray=False), tmp_path / "series.parquet")
    study = {
        "name": "series",
        "source": {"name": "files", "files": str(tmp_path / "series.parquet")},
        "windows": {"length": 16, "time": "time", "columns": ["value"]},
        "truth": {"state": {"classes": {"normal": "fault == 0", "fault": "fault == 1"}}},
        "split": {"name": "time", "column": "time", "validation_from": 800, "test_from": 1000},
        "representation": {"name": "window", "features": ["window_value"], "length": 16},
        "method": {"name": "autoencoder", "latent": 2, "widths": [16]},
        "training": {"epochs": 15, "batch_size": 32, "learning_rate": 0.005},
    }
    study |= {"spectators": ["series_index"]}
    study |= {"evaluation": [{"name": "alarm_rates", "series": "series_index", "quantile": 0.95}]}
    run = bunchtrain.run(validate(study), runs=tmp_path / "runs", jobs=1)
    found = {name: entry["value"] for name, entry in run.metrics["autoencoder"].items()}
    assert found["anomaly_auc"] > 0.8
    table = run.predictions
    assert len(table) == 500 - 15  # no window reaches into the validation set
    alarms = [found[name] for name in ("f1", "false_alarm_rate", "missed_alarm_rate")]
    assert alarms[1] < 0.3
    truth = table.truth("state") == 1
    positive = (1 - alarms[2]) * truth.sum()
    false = alarms[1] * (~truth).sum()
    assert alarms[0] == pytest.approx(2 * positive / (truth.sum() + positive + false), rel=1e-4)
    changed = validate({**study, "split": {"name": "fraction"}})
    with pytest.raises(StudyError, match="divides windows at random, and they overlap"):
        bunchtrain.run(changed, runs=tmp_path / "runs", jobs=1)
    with pytest.raises(StudyError, match="'alarm_rates': series 'run' is not listed in 'spec"):
        validate({**study, "evaluation": [{"name": "alarm_rates", "series": "run"}]})
