"""A study with small tables: from the study to the files beside its predictions."""

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import bunchtrain
from bunchtrain.errors import StudyError
from bunchtrain.study import validate
from bunchtrain.tables.sources.files import Files
from bunchtrain.workflow.check import check
from bunchtrain.workflow.preparation import make_source, recipe

SENSORS = 50


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("conditions")


@pytest.fixture(scope="module")
def study(folder):
    """Pulses with the number of their sensor; the class is the side on which their mean lies."""
    random = np.random.default_rng(5)
    ids, x = np.arange(SENSORS) * 10, random.normal(size=SENSORS)
    pq.write_table(pa.table({"sensor_id": ids, "x": x}), folder / "sensors.parquet")
    counts = random.integers(1, 6, 400)
    hits = ak.unflatten(random.integers(0, SENSORS, counts.sum()), counts)
    side = [float(np.mean(x[one]) > 0) for one in hits.tolist()]
    run = random.integers(1, 4, 400)
    events = ak.Array({"pulse_sensor": hits * 10, "side": side, "run": run})
    pq.write_table(ak.to_arrow_table(events, extensionarray=False), folder / "events.parquet")
    (folder / "luminosity.csv").write_text("run,recorded\n1,10.0\n2,20.0\n3,5.0\n")
    return {
        "name": "sides",
        "source": {"name": "files", "files": str(folder / "events.parquet")},
        "conditions": {
            "geometry": {
                "files": str(folder / "sensors.parquet"),
                "key": "sensor_id",
                "units": {"x": "m"},
            },
            "luminosity": {"files": str(folder / "luminosity.csv"), "key": ["run"]},
        },
        "define": {
            "pulse_x": "geometry.x[pulse_sensor]",
            "mean_x": "mean(pulse_x)",
            "recorded": "luminosity.recorded[run]",
        },
        "select": "recorded > 7",
        "weights": {"event": "luminosity.recorded[run]"},
        "targets": {"side": {"classes": {"left": "side == 0", "right": "side == 1"}}},
        "spectators": ["recorded", "mean_x"],
        "representation": {"name": "table", "features": ["mean_x"]},
        "model": {"name": "boosted_trees", "trees": 10},
    }


@pytest.fixture(scope="module")
def run(folder, study):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
        yield bunchtrain.run(validate(study), runs=folder / "runs", jobs=1)


def test_conditions_are_used_in_the_whole_study(run):
    assert run.metrics["boosted_trees"]["auc"]["value"] > 0.95
    found = run.predictions
    assert set(np.unique(found.columns["recorded"])) == {10.0, 20.0}
    np.testing.assert_array_equal(found.weights, found.columns["recorded"])


@pytest.mark.parametrize("ending", [".parquet", ".h5", ".root"])
def test_conditions_lie_beside_predictions(run, folder, ending):
    output = folder / f"scores{ending}"
    assert run.predict(folder / "events.parquet", output) == 400
    scores = Files(files=str(output))
    assert set(scores.conditions) == {"geometry", "luminosity"}
    geometry = scores.conditions["geometry"]
    assert list(geometry.key_columns) == ["sensor_id"]
    assert geometry.units() == {"x": "mm"}
    assert len(next(geometry.blocks(["x"], 1000))) == SENSORS


def test_predictions_in_memory_use_the_conditions(run):
    events = ak.Array({"pulse_sensor": [[0, 10], [490]], "run": [1, 3]})
    found = run.predict(events)
    assert found.selected.tolist() == [True, False]
    with pytest.raises(bunchtrain.errors.DataError, match="no row with sensor_id 5, which entry 0"):
        run.predict(ak.Array({"pulse_sensor": [[0, 5]], "run": [1]}))


def test_conditions_beside_a_source_need_no_study_key(run, study, folder):
    run.predict(folder / "events.parquet", folder / "beside.parquet")
    content = study | {"source": {"name": "files", "files": str(folder / "beside.parquet")}}
    del content["conditions"]
    fields = make_source(validate(content)).fields()
    assert {"geometry.x", "luminosity.recorded"} <= set(fields)


def test_a_condition_is_no_column_of_events(study):
    content = study | {"representation": {"name": "table", "features": ["geometry.x"]}}
    study = validate(content)
    with pytest.raises(StudyError, match=r"'define' a column, such as x: geometry.x\[sensor_id\]"):
        recipe(study, make_source(study))


def test_check_reports_a_missing_file_and_key(study, folder):
    for one, message in [
        ({"files": "nowhere.parquet", "key": "sensor_id"}, "nowhere.parquet"),
        ({"files": str(folder / "sensors.parquet"), "key": "sensor"}, "did you mean 'sensor_id'"),
        ({"key": "sensor_id"}, "conditions.geometry: give its 'files'; no table of this name"),
    ]:
        content = study | {"conditions": study["conditions"] | {"geometry": one}}
        assert any(message in text for text in check(validate(content)).problems)


def test_names_and_keys_are_checked_at_once(study):
    with pytest.raises(StudyError, match="conditions: 'my-table' is no name that expressions can"):
        validate(study | {"conditions": {"my-table": {"files": "a.csv", "key": "b"}}})
    with pytest.raises(StudyError, match="did you mean 'missing'"):
        validate(study | {"conditions": {"a": {"files": "a.csv", "mising": "nan"}}})
