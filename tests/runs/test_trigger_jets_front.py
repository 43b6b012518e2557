"""The study of accuracy against resources from start to finish; its circuits are made up."""

import json

from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.study import load

TINY = {
    "select": "jet_pt > 600",
    "source": {"name": "files", "files": str(SAMPLE)},
    "targets": {"jet": {"classes": {"q": "is_top == 0", "t": "is_top == 1"}}},
    "training.epochs": 1,
    "members.learned.scan": {"model.beta.1": [1.0e-5]},
    "members.boosted_trees.scan": {"model.trees": [3]},
    **{f"members.{name}": None for name in ("pruned", "binary", "ternary", "post_training_8")},
    "export": [],
}


def test_trigger_jets_front_runs_from_end_to_end(tmp_path):
    run = bunchtrain.run(
        load("trigger_jets_front", size="demo", **TINY), runs=tmp_path / "runs", jobs=1
    )
    assert "Beaten by" not in run.folder.report_file.read_text()
    for number, name in enumerate(("fixed_6", "learned_1e-05", "boosted_trees_3")):
        folder = run.folder.path / "exports" / name / "circuit"
        folder.mkdir(parents=True)
        figures = {
            "LUT, Xilinx UltraScale+": f"{7000 + number} (Yosys 0.1)",
            "latency, cycles": f"{number + 2} (Verilator 5)",
        }
        (folder / "parity.json").write_text(json.dumps({"figures": figures}))
    run.report()
    text = run.folder.report_file.read_text()
    assert "Beaten by" in text
    assert all(f"{7000 + number:,}" in text for number in range(3))
    assert "arXiv:2006.10159, 6 bits" in text
    assert "39,782" in text
