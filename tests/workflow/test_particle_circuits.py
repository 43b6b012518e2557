"""The study of circuits of particles and images from start to finish, and what its report tells."""

from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.study import load

TINY = {
    "select": "jet_pt > 600",
    "source": {"name": "files", "files": str(SAMPLE)},
    "targets": {"jet": {"classes": {"q": "is_top == 0", "t": "is_top == 1"}}},
    "training.epochs": 1,
}


def test_particle_circuits_runs_from_end_to_end(tmp_path):
    study = load("particle_circuits", size="demo", **TINY)
    run = bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
    report = run.files.report_file.read_text()
    assert "beyond the range of their fixed-point format" in report
    told = run.json("models/garnet/prediction.json")["out_of_range"]
    assert {"input", "potential", "given.output"} <= set(told)
    assert run.json("models/boosted_trees/prediction.json")["out_of_range"] is None
