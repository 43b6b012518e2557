"""The study of streamed images from start to finish; the gates are proved in tests/deployment."""

from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.study import load

TINY = {
    "select": "jet_pt > 620",
    "source": {"name": "files", "files": str(SAMPLE)},
    "training.epochs": 1,
}


def test_streaming_images_runs_from_end_to_end(tmp_path):
    study = load("streaming_images", size="demo", **TINY)
    run = bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
    assert set(run.json("metrics.json")) == {"cnn16", "cnn8"}
    assert "beyond the range of their fixed-point format" in run.files.report_file.read_text()
