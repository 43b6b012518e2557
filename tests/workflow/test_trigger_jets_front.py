"""The study of accuracy against resources from start to finish; its circuits are made up."""

import json

from conftest import SAMPLE  # type: ignore[import-not-found]

import bunchtrain
from bunchtrain.study import load, model_configs
from bunchtrain.trained_model import load as load_trained_model
from bunchtrain.workflow.resources import resource_plots, resource_tables, resources

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
    assert "Beaten by" not in run.files.report_file.read_text()
    for number, name in enumerate(("fixed_6", "learned_1e-05", "boosted_trees_3")):
        folder = run.folder / "exports" / name / "circuit"
        folder.mkdir(parents=True)
        figures = {
            "LUT, Xilinx UltraScale+": f"{7000 + number} (Yosys 0.1)",
            "latency, cycles": f"{number + 2} (Verilator 5)",
        }
        (folder / "parity.json").write_text(json.dumps({"figures": figures}))
    networks = {name: load_trained_model(run.files.model(name)) for name in model_configs(study)}
    points = resources(run.folder, run.metrics, networks)
    assert [point.lut for point in points] == [7000, 7001, 7002, 39782, 15802]
    assert [point.cycles for point in points] == [2, 3, 4, 11, 14]
    assert [bool(point.bit_operations) for point in points] == [True, True, False, False, False]
    assert len(list(resource_plots(points))) == 1
    ((table),) = resource_tables(points)
    assert table.rows[3][0] == "fixed_6, arXiv:2006.10159, 6 bits"
