import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
import yaml

from bunchtrain.errors import DataError
from bunchtrain.study.schema import Study
from bunchtrain.tables.expressions.expression import Expression
from bunchtrain.tables.inspect.column_roles import as_expression
from bunchtrain.tables.inspect.drafting import draft


def written(tmp_path, name="events", **columns):
    path = tmp_path / f"{name}.parquet"
    pq.write_table(pa.table(columns), path)
    return str(path)


def study(*files, **options):
    return Study(**yaml.safe_load(draft(files, **options)))


X = np.linspace(0, 1, 20)
FLAG = np.arange(20) % 2


def test_a_flag_becomes_the_target(tmp_path):
    path = written(
        tmp_path, mass=X, is_signal=FLAG, eventNumber=np.arange(20), weight=X, constant=0 * X
    )
    found = study(path)
    assert found.targets["label"].classes == {
        "background": "is_signal == 0",
        "signal": "is_signal == 1",
    }
    assert found.targets["label"].signal == "signal"
    assert found.representation.options["features"] == ["mass"]
    assert found.split.options["key"] == "eventNumber"
    assert found.source.options["files"] == [path]
    assert [(one.name, one.options) for one in found.evaluation] == [
        ("classification", {"efficiencies": [0.3, 0.5]})
    ]
    assert "#   event: weight" in draft([path])


def test_several_labels_are_one_target(tmp_path):
    labels = {f"label_{name}": (np.arange(20) % 3 == k) for k, name in enumerate("abc")}
    found = study(written(tmp_path, x=X, **labels))
    assert found.targets["label"].classes == {k: f"label_{k} == 1" for k in "abc"}


def test_texts_are_classes(tmp_path):
    found = study(written(tmp_path, x=X, class_name=["tt", "w jets"] * 10))
    assert found.targets["label"].classes == {
        "tt": 'class_name == "tt"',
        "w_jets": 'class_name == "w jets"',
    }


def test_without_a_label_files_are_the_classes(tmp_path):
    paths = [written(tmp_path, name, x=X) for name in ("qcd", "ttbar")]
    found = study(*paths)
    assert found.targets["label"].classes == {"qcd": "label == 0", "ttbar": "label == 1"}
    assert found.source.options["add"] == {"label": {"qcd.parquet": 0, "ttbar.parquet": 1}}


def test_without_a_target_it_is_left_to_be_filled_in(tmp_path):
    path = written(tmp_path, x=X, y=X)
    assert "TO BE FILLED IN" in draft([path])
    with pytest.raises(ValueError, match="a target has either 'classes' or 'values'"):
        study(path)
    filled = yaml.safe_load(draft([path])) | {"targets": {"label": {"values": {"y": "y"}}}}
    assert Study(**filled).targets["label"].values == {"y": "y"}


def test_missing_values_are_imputed(tmp_path):
    path = written(tmp_path, x=np.where(FLAG, np.nan, X), label=FLAG)
    assert study(path).invalid == "impute"


def test_lists_give_features_and_groups(tmp_path):
    path = str(tmp_path / "jets.root")
    momenta = ak.unflatten(np.arange(40.0), [2] * 20)
    with uproot.recreate(path) as file:
        kinds = {"Jet_pt": "var * float64", "Jet_eta": "var * float64", "truth_flag": "i4"}
        tree = file.mktree("Events", kinds)
        tree.extend({"Jet_pt": momenta, "Jet_eta": momenta, "truth_flag": FLAG})
        file.mktree("Runs", {"y": "i4"}).extend({"y": np.arange(2)})
    text = draft([path])
    assert "#   Jet: Jet_pt, Jet_eta" in text
    assert '# representation: {name: point_cloud, group: "Jet"}' in text
    found = study(path)
    assert found.source.options["tree"] == "Events"
    assert "count(Jet_pt)" in found.representation.options["features"]


@pytest.mark.parametrize("name", ["pt", "a.b", "x y", "class", "pi", 'quo"te', "a/b\\c"])
def test_any_column_can_be_named_in_an_expression(name):
    assert Expression(as_expression(name)).columns == {name}


def test_a_file_without_inputs(tmp_path):
    with pytest.raises(DataError, match="no numeric column varies"):
        draft([written(tmp_path, kind=["a", "b"])])
