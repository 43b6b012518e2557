"""`bunchtrain check`: what a run would find, without a training."""

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

import bunchtrain
from bunchtrain.errors import StudyError

ROWS = 3000


@pytest.fixture
def make(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    draw = np.random.default_rng(2)
    truth = np.arange(ROWS) >= 2 * ROWS // 3  # sorted by class
    pq.write_table(
        pa.table({"x": draw.normal(truth, 1), "z": draw.normal(size=ROWS), "truth": truth}),
        "events.parquet",
        row_group_size=500,
    )

    def made(**changes):
        content = {
            "source": {"name": "files", "files": "events.parquet"},
            "targets": {"event": {"classes": {"b": "not truth", "s": "truth"}}},
            "select": "z > -10",
            "representation": {"name": "table", "features": ["x", "z"]},
            "models": {
                "trees": {"model": "boosted_trees"},
                "network": {"model": {"name": "dense_network", "widths": [8]}},
            },
        }
        (tmp_path / "s.yaml").write_text(yaml.safe_dump(content | changes))
        return bunchtrain.check("s.yaml")

    return made


def test_columns_events_and_cost_without_a_training(make, tmp_path):
    found = make()
    assert found.problems == []
    assert found.columns == {"truth": "bool", "x": "float64", "z": "float64"}
    assert (found.entries, found.sampled) == (ROWS, ROWS)
    assert found.cutflow == {"read": ROWS, "select": ROWS, "targets.event": ROWS}
    assert sum(found.events.values()) == ROWS
    assert sum(found.classes["event"]["s"]) == ROWS - 2 * ROWS // 3
    assert set(found.costs) == {"trees", "network"}
    assert found.costs["trees"].in_one_call
    assert not found.costs["network"].in_one_call
    assert found.costs["network"].parameters == 2 * 8 + 8 + 2 * (8 + 1)
    for cost in found.costs.values():
        events = found.events["train"] + found.events["validation"]
        assert cost.memory == pytest.approx(2 * 4 * events)  # two features in float32
        assert cost.seconds > 0
    assert {path.name for path in tmp_path.iterdir()} == {"events.parquet", "s.yaml"}


def test_the_sample_is_from_all_of_a_file(make, monkeypatch):
    monkeypatch.setattr("bunchtrain.workflow.check.ROWS", 300)
    found = make()
    assert found.sampled == 300
    assert found.scale == pytest.approx(ROWS / 300)
    assert 60 < sum(found.classes["event"]["s"]) < 140


def test_all_problems_are_listed(make):
    models = {"points": "particle_net", "image": "image_cnn", "trees": "boosted_trees"}
    found = make(models={name: {"model": model} for name, model in models.items()})
    text = "\n".join(found.problems)
    assert "models.points: model 'particle_net' needs" in text
    assert "models.image: model 'image_cnn' needs" in text
    assert set(found.costs) == {"trees"}
    assert all(len(problem) <= 400 for problem in found.problems)


def test_missing_columns_and_files_are_problems(make):
    assert any(
        "no column 'y'" in problem
        for problem in make(representation={"name": "table", "features": ["y"]}).problems
    )
    gone = make(source={"name": "files", "files": "gone.root"})
    assert any("there is no file 'gone.root'" in problem for problem in gone.problems)
    with pytest.raises(StudyError):
        make(modle="x")


def test_rare_classes_are_a_warning(make):
    found = make(targets={"event": {"classes": {"b": "truth", "s": "not truth and z > 2.4"}}})
    assert any("class 's' has only about" in warning for warning in found.warnings)


def test_a_method_without_targets_has_its_cost(make):
    models = {"flow": {"method": "normalizing_flow"}, "ae": {"method": "autoencoder"}}
    truth = {"event": {"classes": {"b": "not truth", "s": "truth"}}}
    found = make(models=models, targets={}, truth=truth)
    assert found.problems == []
    assert set(found.costs) == {"flow", "ae"}
    assert all(cost.seconds > 0 for cost in found.costs.values())


def test_events_of_a_transformed_source_are_checked(make):
    windows = {"length": 3, "step": 3, "columns": ["x"]}
    found = make(windows=windows, split={"name": "fraction"})
    assert found.problems == []
    assert found.warnings == []
    assert found.sampled == ROWS // 3


@pytest.mark.parametrize(("column", "last"), [("series_row", ROWS), ("time", 10.0 * ROWS)])
def test_windows_that_overlap_are_divided_by_row_or_time(make, column, last):
    table = pq.read_table("events.parquet")
    time = pa.array(10 * 10**9 * np.arange(ROWS), pa.timestamp("ns"))
    pq.write_table(table.append_column("time", time), "events.parquet")
    split = {"name": "time", "column": column, "validation_from": 0.8 * last}
    split |= {"test_from": 0.9 * last}
    found = make(windows={"length": 5, "columns": ["x"], "time": "time"}, split=split)
    assert found.problems == []
    assert found.sampled == ROWS - 4
    assert found.cutflow["split"] == ROWS - 3 * 4  # none reaches into the set before
    assert {column, "truth"} <= set(found.columns)
    assert not any(name.startswith("window_first") for name in found.columns)
