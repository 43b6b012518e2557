"""`init` and then `run` for every shape of data: a drafted study runs without an edit."""

import awkward as ak
import h5py
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import uproot

import bunchtrain

RANDOM = np.random.default_rng(1)
#: A tiny training.
TINY = ("training.epochs=1", "training.patience=1")


@pytest.fixture(autouse=True)
def cache(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))


def first_run(path, *changes, **hints):
    made = path.parent / "study.yaml"
    bunchtrain.init(path, made, **hints)
    return bunchtrain.run(made, *changes, runs=path.parent / "runs")


def as_lists(counts, columns):
    return {name: ak.unflatten(values, counts) for name, values in columns.items()}


def test_a_file_without_labels(tmp_path):
    path = tmp_path / "events.h5"
    with h5py.File(path, "w") as file:
        for name in "abcd":
            file[name] = RANDOM.normal(size=400)
    run = first_run(path, *TINY)
    assert set(run.metrics) == {"pca", "isolation_forest", "autoencoder"}
    assert all("anomaly_mean_score" in one for one in run.metrics.values())


def hits(path):
    """Write events of straight tracks through four layers, with noise."""
    counts, columns = [], {f"hit_{name}": [] for name in ("x", "y", "z", "layer", "particle")}
    for _ in range(60):
        slopes, layer = RANDOM.uniform(-1, 1, (5, 2)), np.tile(np.arange(4), 5)
        z, owner = layer + 1.0, np.repeat(np.arange(5), 4)
        x, y = slopes[owner, 0] * z, slopes[owner, 1] * z
        noise = RANDOM.uniform(-4, 4, (2, 4))
        columns["hit_x"] += [*x, *noise[0]]
        columns["hit_y"] += [*y, *noise[1]]
        columns["hit_z"] += [*z, *(np.arange(4) + 1.0)]
        columns["hit_layer"] += [*layer, *range(4)]
        columns["hit_particle"] += [*owner, *[-1] * 4]
        counts.append(24)
    lists = as_lists(counts, {name: np.asarray(values) for name, values in columns.items()})
    pq.write_table(pa.table({name: pa.array(one.to_list()) for name, one in lists.items()}), path)


@pytest.mark.filterwarnings("ignore:.*learnt nothing.*")
def test_hits_with_an_identifier(tmp_path):
    path = tmp_path / "hits.parquet"
    hits(path)
    run = first_run(path, "training.epochs=1")
    assert "track_efficiency" in str(run.metrics)
    assert "triplet_search" in (tmp_path / "study.yaml").read_text()


def test_hits_with_classes_and_no_edges(tmp_path):
    path = tmp_path / "cells.parquet"
    counts = RANDOM.integers(8, 12, 60)
    kind = RANDOM.integers(0, 2, counts.sum())
    columns = {f"cell_{axis}": RANDOM.normal(size=len(kind)) + kind for axis in "xyz"}
    lists = as_lists(counts, columns | {"cell_label": kind})
    pq.write_table(pa.table({name: pa.array(one.to_list()) for name, one in lists.items()}), path)
    run = first_run(path, "training.epochs=1")
    assert set(run.metrics) == {"graph", "deep_set"}


def test_edges_with_a_label(tmp_path):
    path = tmp_path / "edges.parquet"
    first = np.tile(np.arange(6), 60)
    points = {f"node_{axis}": RANDOM.normal(size=360) for axis in "xyz"}
    edges = {
        "edge_src": first,
        "edge_dst": (first + 1) % 6,
        "edge_label": RANDOM.integers(0, 2, 360),
    }
    lists = as_lists([6] * 60, points | edges)
    pq.write_table(pa.table({name: pa.array(one.to_list()) for name, one in lists.items()}), path)
    run = first_run(path, "training.epochs=1")
    assert "auc" in run.metrics["graph"]


def test_objects_of_an_event_with_a_label(tmp_path):
    path = tmp_path / "nano.root"
    counts = RANDOM.integers(1, 5, 200)
    flavour = RANDOM.choice([0, 4, 5], counts.sum())
    columns = {f"Jet_{name}": RANDOM.exponential(size=len(flavour)) for name in ("pt", "mass")}
    columns |= {f"Jet_{name}": RANDOM.normal(size=len(flavour)) for name in ("eta", "phi")}
    columns["Jet_hadronFlavour"] = flavour.astype(np.int32)
    with uproot.recreate(path) as file:
        lists = as_lists(counts, columns)
        file.mktree("Events", {name: one.type.content for name, one in lists.items()})
        file["Events"].extend(lists)
    run = first_run(path, "model.trees=5")
    assert "boosted_trees" in run.metrics


def test_numbered_objects_with_a_label(tmp_path):
    path = tmp_path / "pairs.csv"
    columns = {f"jet{k}_{name}": RANDOM.normal(size=200) for k in (1, 2) for name in ("pt", "m")}
    columns |= {f"jet{k}_is_b": RANDOM.integers(0, 2, 200) for k in (1, 2)}
    pc.write_csv(pa.table(columns), path)
    run = first_run(path, "model.trees=5")
    assert "auc" in run.metrics["boosted_trees"]


def test_a_series_with_and_without_an_anomaly_label(tmp_path):
    path, rows = tmp_path / "sensor.csv", 500
    times = np.datetime64("2024-05-31", "ns") + np.arange(rows) * np.timedelta64(1, "s")
    fault = (np.arange(rows) % 100 > 80).astype(int)
    columns = {
        "datetime": times,
        "a": RANDOM.normal(size=rows),
        "b": RANDOM.normal(size=rows) + fault,
    }
    pc.write_csv(pa.table(columns), path)
    run = first_run(path, *TINY)
    assert "anomaly_mean_score" in run.metrics["pca"]
    labelled = tmp_path / "labelled"
    labelled.mkdir()
    pc.write_csv(pa.table(columns | {"anomaly": fault}), labelled / "sensor.csv")
    run = first_run(labelled / "sensor.csv", *TINY)
    assert {"anomaly_auc", "f1"} <= set(run.metrics["pca"])
