"""Studies of log lines: networks on words beside trees on their counts."""

import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bunchtrain
from bunchtrain.errors import RunError, StudyError
from bunchtrain.files import read_json, write_json
from bunchtrain.study.loading import validate

LOGS = Path(os.environ.get("BUNCHTRAIN_DATA", "none")) / "logs" / "loghub_2k"
COUNTS = {"name": "word_counts", "column": "line", "size": 40}


def write_lines(path, rows=1200, seed=1):
    """Lines of which an alert is one where 'not' comes before 'ready', and not after it."""
    random = np.random.default_rng(seed)
    names = np.array(["disk", "node", "pool", "link", "fan", "rack"])
    alert = random.integers(0, 2, rows)
    lines = []
    for row in range(rows):
        state = "not ready" if alert[row] else "ready not"
        first, second = random.choice(names, 2)
        lines.append(f"{first} {random.integers(1000)} {state} {second}")
    host = np.where(random.uniform(size=rows) < 0.3 + 0.4 * alert, "alpha", "beta")
    lines = [f"{line} {name}" for line, name in zip(lines, host, strict=True)]
    pq.write_table(pa.table({"line": lines, "alert": alert}), path)
    return str(path)


def line_study(path, **changes):
    study = {
        "name": "lines",
        "source": {"name": "files", "files": path},
        "targets": {"line": {"classes": {"normal": "alert == 0", "alert": "alert == 1"}}},
        "split": {"name": "fraction", "train": 0.6, "validation": 0.2, "test": 0.2},
        "representation": {"name": "words", "column": "line", "size": 40, "embedding": 8},
        "training": {"epochs": 12, "batch_size": 32, "learning_rate": 0.01},
        "models": {
            "trees": {"representation": COUNTS, "model": {"name": "boosted_trees", "trees": 20}},
            "set": {"model": {"name": "particle_flow_network", "phi": [16, 16], "f": [16]}},
            "order": {"model": {"name": "recurrent_network", "hidden": 16, "widths": [16]}},
        },
    }
    return validate(study | changes)


@pytest.fixture(scope="module")
def lines(tmp_path_factory):
    folder = tmp_path_factory.mktemp("lines")
    path = write_lines(folder / "lines.parquet")
    return path, bunchtrain.run(line_study(path), runs=folder / "runs", jobs=1)


def test_a_network_learns_the_order_of_words_and_counts_do_not_know_it(lines):
    _, run = lines
    auc = {name: metrics["auc"]["value"] for name, metrics in run.metrics.items()}
    assert auc["order"] > 0.95
    assert 0.6 < auc["trees"] < 0.85  # from the host alone
    assert 0.6 < auc["set"] < 0.85


def test_the_vocabulary_is_that_of_the_training_and_is_stored_with_the_network(lines):
    _, run = lines
    name, options = read_json(run.files.model("order") / "network.json")["task"]["representation"]
    assert name == "words"
    assert options["vocabulary"][:2] == ["NUMBER", "not"]
    assert len(options["vocabulary"]) == 1 + 2 + 6 + 2
    weights = run.models["order"].network.embedding.weight
    assert weights.shape == (12, 8)
    found = run.predict({"line": ["disk 3 not ready fan alpha", "disk 5 ready not fan alpha", ""]})
    assert found["order_alert"][0] > 0.9 > 0.1 > found["order_alert"][1]
    assert np.isfinite(found["set_alert"]).all()
    assert bunchtrain.resume(run.folder).metrics == run.metrics


def test_a_network_on_words_is_exported(lines):
    _, run = lines
    exported = run.export("onnx", model="set")
    assert exported.verifications["set"].holds


def test_an_edited_vocabulary_is_an_error(lines, tmp_path):
    from bunchtrain.trained_files import load

    _, run = lines
    folder = tmp_path / "order"
    folder.mkdir()
    for file in run.files.model("order").glob("*.safetensors"):
        (folder / file.name).write_bytes(file.read_bytes())
    content = read_json(run.files.model("order") / "network.json")
    content["task"]["representation"][1]["vocabulary"].pop()
    write_json(folder / "network.json", content)
    with pytest.raises(RunError, match=r"network\.json|weights\.safetensors"):
        load(folder)


def test_anomalies_among_counts_of_words(lines, tmp_path):
    path, _ = lines
    plain = line_study(path).model_dump(mode="json")
    study = validate(
        {
            **{key: plain[key] for key in ("name", "source", "split")},
            "truth": {"line": {"classes": {"normal": "alert == 0", "alert": "alert == 1"}}},
            "representation": COUNTS,
            "method": {"name": "pca", "components": 3},
        }
    )
    run = bunchtrain.run(study, runs=tmp_path, jobs=1)
    assert 0 < run.metrics["pca"]["anomaly_auc"]["value"] < 1


def test_models_that_cannot_take_words(tmp_path):
    path = write_lines(tmp_path / "lines.parquet", 200)
    for model in ("dense_network", "particle_net"):
        with pytest.raises(StudyError, match=f"model '{model}' needs .* which representation 'wor"):
            bunchtrain.run(line_study(path, models={}, model=model), runs=tmp_path, jobs=1)


@pytest.mark.skipif(not LOGS.is_dir(), reason="set BUNCHTRAIN_DATA to a folder with logs/loghub_2k")
def test_alerts_of_a_real_log_in_time_order(tmp_path):
    study = {
        "name": "bgl",
        "source": {"name": "files", "files": str(LOGS / "BGL.csv.gz")},
        "targets": {"line": {"classes": {"normal": "Label == '-'", "alert": "Label != '-'"}}},
        "split": {
            **{"name": "time", "column": "LineId"},
            **{"validation_from": 801, "test_from": 1001},
        },
        "representation": {"name": "words", "column": "Content"},
        "training": {"epochs": 6, "batch_size": 32, "learning_rate": 0.01},
        "models": {
            "trees": {
                "representation": {"name": "word_counts", "column": "Content"},
                "model": {"name": "boosted_trees", "trees": 50},
            },
            "network": {"model": {"name": "particle_flow_network", "phi": [32, 32], "f": [32]}},
        },
    }
    run = bunchtrain.run(validate(study), runs=tmp_path, jobs=1)
    auc = {name: metrics["auc"]["value"] for name, metrics in run.metrics.items()}
    assert auc["network"] > 0.75  # alerts of kinds that were not seen before
    assert auc["trees"] > 0.6
