"""Studies of histograms, volumes and images: predictions, and generated columns in files."""

import sys

import awkward as ak
import numpy as np
import pyarrow.parquet as pq
import pytest
from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.cli.main import main
from bunchtrain.study.loading import validate


def sample_study(**changes):
    study = {
        "name": "samples",
        "source": {"name": "files", "files": str(SAMPLE)},
        "split": {"name": "fraction", "train": 0.6, "validation": 0.2, "test": 0.2},
        "representation": {"name": "image", "pixels": 6, "unit": False},
        "training": {"epochs": 2, "batch_size": 64},
        "models": {
            "vae": {"method": {"name": "vae", "latent": 2, "widths": [8], "channels": [4]}},
            "matching": {"method": {"name": "flow_matching", "widths": [16], "steps": 3}},
        },
        "evaluation": [{"name": "generated_events", "events": 200}],
    }
    return validate(study | changes)


def generate_to(run, path, monkeypatch, rows=5):
    """Return the file that the command writes."""
    words = ["bunchtrain", "generate", run.folder, "--rows", rows, "-o", path]
    monkeypatch.setattr(sys, "argv", list(map(str, words)))
    with pytest.raises(SystemExit) as ended:
        main()
    assert ended.value.code == 0
    return ak.from_parquet(path)


def test_images_are_generated_as_columns_of_pixels(tmp_path, monkeypatch):
    run = bunchtrain.run(sample_study(), runs=tmp_path, jobs=1)
    for name, metrics in run.metrics.items():
        assert 0.5 < metrics["two_sample_auc"]["value"] <= 1, name
        assert metrics["wasserstein/image_pt"]["error"] > 0
    made = run.generate(7, model="matching")
    assert str(made.type) == "7 * {image_pt: 6 * 6 * float32}"
    written = generate_to(run, tmp_path / "made.parquet", monkeypatch)
    first = run.generate(5)
    assert np.allclose(ak.to_numpy(written.image_pt), ak.to_numpy(first.image_pt))


def test_leading_points_are_generated_as_lists(tmp_path):
    representation = {"name": "leading_particles", "n": 4, "features": ["pt", "deta", "dphi"]}
    run = bunchtrain.run(sample_study(representation=representation, models={
        "gan": {"method": {"name": "wgan", "latent": 4, "widths": [16], "critic_steps": 1}},
    }), runs=tmp_path, jobs=1)  # fmt: skip
    made = run.generate(9)
    assert made.fields == ["constituent_pt", "constituent_deta", "constituent_dphi"]
    assert ak.all(ak.num(made.constituent_pt) <= 4)
    assert run.metrics["gan"]["wasserstein/constituent_pt"]["value"] > 0


def write(path, table):
    pq.write_table(ak.to_arrow_table(ak.Array(table), extensionarray=False), path)
    return str(path)


def write_histograms(path, rows=1500, seed=1):
    """Poisson histograms of a falling spectrum; in a fifth, two neighbouring bins are at 40 %."""
    random = np.random.default_rng(seed)
    shape = 60 * np.exp(-np.arange(24) / 12) * random.uniform(0.5, 2, rows)[:, None]
    faulty = random.uniform(size=rows) < 0.2
    first = random.integers(0, 23, rows)
    for row in np.flatnonzero(faulty):
        shape[row, first[row] : first[row] + 2] *= 0.4
    table = {"charge": random.poisson(shape).tolist(), "faulty": faulty.astype(int)}
    return write(path, table)


def test_faults_in_histograms_are_found_and_histograms_are_generated(tmp_path, monkeypatch):
    study = sample_study(
        source={"name": "files", "files": write_histograms(tmp_path / "histograms.parquet")},
        truth={"state": {"classes": {"good": "faulty == 0", "faulty": "faulty == 1"}}},
        representation={
            **{"name": "histogram", "features": ["charge"], "bins": 24},
            **{"unit": True, "square_root": True},
        },
        training={"epochs": 12, "batch_size": 64, "learning_rate": 0.005, "select": "faulty == 0"},
        models={
            "pca": {"method": {"name": "pca", "components": 1}},
            "autoencoder": {"method": {"name": "autoencoder", "latent": 1, "widths": [16]}},
            "matching": {"method": {"name": "flow_matching", "widths": [32], "steps": 5}},
        },
        evaluation=["anomaly_detection", {"name": "generated_events", "events": 200}],
    )
    run = bunchtrain.run(study, runs=tmp_path, jobs=1)
    assert run.metrics["pca"]["anomaly_auc"]["value"] > 0.7
    assert run.metrics["autoencoder"]["anomaly_auc"]["value"] > 0.7
    assert run.metrics["matching"]["two_sample_auc"]["value"] < 0.95
    written = generate_to(run, tmp_path / "made.parquet", monkeypatch, rows=200)
    contents = ak.to_numpy(written.charge)
    assert contents.shape == (200, 24)
    assert contents.min() >= 0
    assert contents.sum(1).mean() == pytest.approx(1, abs=0.2)  # of unit area


def write_showers(path, rows=900, seed=1):
    """Hits of showers that begin early (electrons) or late and wide (pions), and their energy."""
    random = np.random.default_rng(seed)
    pion, energy = random.integers(0, 2, rows), random.uniform(10, 50, rows)
    counts = random.poisson(energy)
    late, width = 1 + 2.0 * np.repeat(pion, counts), 0.4 + 0.5 * np.repeat(pion, counts)
    hits = {
        "layer": np.floor(random.gamma(2, late)),
        "x": width * random.normal(size=counts.sum()),
        "y": width * random.normal(size=counts.sum()),
        "energy": random.exponential(1, counts.sum()),
    }
    lists = {f"hit_{name}": ak.unflatten(values, counts) for name, values in hits.items()}
    return write(path, {**lists, "pion": pion, "energy": energy})


VOLUME = {
    **{"name": "volume", "group": "hit", "coordinates": ["layer", "y", "x"]},
    **{"shape": [6, 4, 4], "ranges": [[0, 12], [-2, 2], [-2, 2]], "scale": 0.1},
}


def shower_study(path, **changes):
    return sample_study(
        source={"name": "files", "files": write_showers(path)},
        representation=VOLUME,
        training={"epochs": 4, "batch_size": 64, "learning_rate": 0.003},
        **changes,
    )


def test_a_network_on_volumes_separates_showers(tmp_path):
    features = ["sum(hit_energy)", "mean(hit_layer)", "mean(hit_x**2)"]
    small = {"name": "volume_cnn", "filters": [[4], [8]], "widths": [16]}
    study = shower_study(
        tmp_path / "showers.parquet",
        targets={"particle": {"classes": {"electron": "pion == 0", "pion": "pion == 1"}}},
        models={
            "trees": {
                "representation": {"name": "table", "features": features},
                "model": {"name": "boosted_trees", "trees": 30},
            },
            "volume": {"model": small},
        },
        evaluation=["classification"],
    )
    run = bunchtrain.run(study, runs=tmp_path, jobs=1)
    assert run.metrics["trees"]["auc"]["value"] > 0.9
    assert run.metrics["volume"]["auc"]["value"] > 0.9
    assert run.export("onnx").verifications["volume"].holds


def test_cells_have_coordinates_and_no_momentum(tmp_path):
    cells = {
        **{"name": "point_cloud", "group": "hit", "coordinates": ["x", "y", "layer"]},
        **{"features": ["x", "y", "layer", "log(energy)"], "where": "energy > 0.05"},
        **{"order": "energy", "max_points": 30},
    }
    run = bunchtrain.run(
        sample_study(
            source={"name": "files", "files": write_showers(tmp_path / "cells.parquet")},
            targets={"particle": {"classes": {"electron": "pion == 0", "pion": "pion == 1"}}},
            representation=cells,
            training={"epochs": 4, "batch_size": 64, "learning_rate": 0.003},
            models={},
            model={"name": "particle_flow_network", "phi": [16, 16], "f": [16]},
            evaluation=["classification"],
        ),
        runs=tmp_path,
        jobs=1,
    )
    assert run.metrics["particle_flow_network"]["auc"]["value"] > 0.9


def test_volumes_are_generated_for_given_energies(tmp_path, monkeypatch):
    study = shower_study(
        tmp_path / "showers.parquet",
        models={
            "vae": {"method": {"name": "vae", "latent": 2, "widths": [8], "channels": [4]}},
            "matching": {
                "representation": VOLUME | {"condition": ["energy"]},
                "method": {"name": "flow_matching", "widths": [32], "steps": 4},
            },
        },
    )
    run = bunchtrain.run(study, runs=tmp_path, jobs=1)
    assert set(run.metrics) == {"vae", "matching"}
    made = run.generate(6, model="matching", conditions={"energy": np.full(6, 20.0)})
    assert made.fields == ["hit_energy", "energy"]
    written = generate_to(run, tmp_path / "made.parquet", monkeypatch)
    assert ak.to_numpy(written.hit_energy).shape == (5, 6, 4, 4)
