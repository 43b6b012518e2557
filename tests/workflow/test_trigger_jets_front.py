"""The study of accuracy against resources from start to finish, with synthetic exports."""

import json

from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.study import load

TINY = {
    "select": "jet_pt > 600",
    "source": {"name": "files", "files": str(SAMPLE)},
    "targets": {"jet": {"classes": {"q": "is_top == 0", "t": "is_top == 1"}}},
    "training.epochs": 1,
    "models.learned.scan": {"model.beta.1": [1.0e-5]},
    "models.boosted_trees.scan": {"model.trees": [3]},
    **{f"models.{name}": None for name in ("pruned", "binary", "ternary", "post_training_8")},
    "export": [],
}


def test_trigger_jets_front_runs_from_end_to_end(tmp_path):
    study = load("trigger_jets_front", size="demo", **TINY)
    run = bunchtrain.run(study, runs=tmp_path / "runs", jobs=1)
    assert "Dominated by" not in run.files.report_file.read_text()
    for index, name in enumerate(("fixed_6", "learned_1e-05", "boosted_trees_3")):
        folder = run.folder / "exports" / name / "circuit"
        folder.mkdir(parents=True)
        properties = {
            "LUT, Xilinx UltraScale+": f"{7000 + index} (Yosys 0.1)",
            "latency, cycles": f"{index + 2} (Verilator 5)",
        }
        (folder / "verification.json").write_text(json.dumps({"properties": properties}))
    run.report()
    assert "Dominated by" in run.files.report_file.read_text()
    assert [run.metrics[name]["lut"]["value"] for name in run.models] == [7000, 7001, 7002]
    saved = run.json("evaluations/firmware_resources/results.json")
    ((table,), (_,)) = saved["tables"], saved["plots"]
    assert table["columns"] == [
        "Model",
        "Accuracy",
        "EBOPs",
        "LUT",
        "DSP",
        "Cycles",
        "Dominated by",
    ]
    luts, cycles = ([row[k] for row in table["rows"]] for k in (3, 5))
    assert luts == ["7,000", "7,001", "7,002", "39,782", "15,802"]
    assert cycles == ["2", "3", "4", "11", "14"]
    assert [bool(row[2]) for row in table["rows"]] == [True, True, False, False, False]
    assert table["rows"][3][0] == "fixed_6, arXiv:2006.10159, 6 bits"
