"""Generated events of representations with grids: decoded columns, written and read back."""

import sys

import awkward as ak
import numpy as np
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
