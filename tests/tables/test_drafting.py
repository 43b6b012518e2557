import gzip

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import uproot
import yaml

from bunchtrain.errors import DataError
from bunchtrain.study.schema import Study
from bunchtrain.tables.expressions.expression import Expression
from bunchtrain.tables.inspect.column_roles import as_expression
from bunchtrain.tables.inspect.drafting import sketch


def written(tmp_path, name="events", **columns):
    path = tmp_path / f"{name}.parquet"
    pq.write_table(pa.table(columns), path)
    return str(path)


def draft(files):
    return sketch(files).text


def note(found):
    return next(one.reason for one in found.decisions if one.part == "target")


def study(*files):
    return Study(**yaml.safe_load(draft(files)))


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


def test_without_a_label_a_true_quantity_is_predicted_from_what_was_measured(tmp_path):
    found = sketch([written(tmp_path, pt=X, true_mass=X**2, eventNumber=np.arange(20))])
    made = Study(**yaml.safe_load(found.text))
    assert made.targets["label"].values == {"true_mass": "true_mass"}
    assert "pt" in made.representation.options["features"]
    assert "true_mass" not in made.representation.options["features"]
    assert [one.name for one in made.evaluation] == ["regression"]
    assert "is predicted from the other columns (true quantity)" in note(found)
    assert "edit `targets`" in note(found)


def test_true_quantities_and_identifiers_are_no_inputs(tmp_path):
    draws = np.random.default_rng(1)
    numbers = {
        **{name: draws.normal(size=100) for name in ("pt", "iso_track", "vertex_y", "gen_pt")},
        **{name: draws.permutation(10**6)[:100] for name in ("event", "detid", "channel_number")},
        "pdgId": draws.choice([11, 13, 22, 211], 100),
        "nTrueInt": draws.integers(0, 50, 100),
        "run": draws.integers(1, 5, 100),
        "HLT_mu": draws.integers(0, 2, 100),
        "puId": draws.integers(0, 8, 100),
        "serial": np.arange(100) * 3,
        "is_signal": draws.integers(0, 2, 100),
    }
    path = written(tmp_path, **numbers)
    found = study(path)
    assert found.representation.options["features"] == ["pt", "iso_track", "vertex_y", "puId"]
    assert found.split.options["key"] == ["run", "event"]
    text = draft([path])
    for reason in ("true quantity", "identifier", "trigger or quality flag", "all values are"):
        assert f"# No inputs ({reason}" in text


@pytest.mark.parametrize("ending", ["csv", "parquet", "root"])
def test_a_label_sorted_by_class_is_found_with_all_classes(tmp_path, ending):
    rows = 40_000
    kinds = ["w jets", "z jets", "ttbar", "qcd", "single", "rare"]
    names = np.repeat(kinds, [9_000, 9_000, 9_000, 12_700, 295, 5])
    numbers = np.arange(rows, dtype=float) ** 0.5
    table, path = pa.table({"x": numbers, "process": names}), tmp_path / f"sorted.{ending}"
    if ending == "csv":
        pc.write_csv(table, path)
    elif ending == "parquet":
        pq.write_table(table, path)
    else:
        with uproot.recreate(path) as file:
            file["t"] = {
                "x": numbers,
                "label": np.repeat(np.arange(6), [9000] * 3 + [12700, 295, 5]),
            }
    found = sketch([str(path)])
    classes = Study(**yaml.safe_load(found.text)).targets["label"].classes
    assert len(classes) == 5  # five rows of the rare one are too few
    if ending != "root":
        assert classes["single"] == 'process == "single"'
        assert "single: 295" in note(found)
        assert "1 less frequent values are left out" in note(found)


def test_a_label_that_is_constant_in_each_file_is_found(tmp_path):
    paths = [written(tmp_path, name, x=X, label=np.full(20, k)) for k, name in enumerate("ab")]
    assert study(*paths).targets["label"].classes == {
        "background": "label == 0",
        "signal": "label == 1",
    }


def test_missing_values_are_imputed(tmp_path):
    path = written(tmp_path, x=np.where(FLAG, np.nan, X), label=FLAG)
    assert study(path).invalid == "impute"


def test_lists_give_features_and_groups(tmp_path):
    path = str(tmp_path / "jets.root")
    momenta = ak.unflatten(np.arange(40.0), [2] * 20)
    with uproot.recreate(path) as file:
        columns = dict.fromkeys(["Hit_x", "Hit_y", "Jet_pt", "Jet_eta", "Jet_phi"], momenta)
        kinds = dict.fromkeys(columns, "var * float64")
        tree = file.mktree("Events", {**kinds, "truth_flag": "i4"})
        tree.extend({**columns, "truth_flag": FLAG})
        file.mktree("Runs", {"y": "i4"}).extend({"y": np.arange(2)})
    text = draft([path])
    assert "#   Jet: Jet_pt, Jet_eta, Jet_phi\n#   Hit: Hit_x, Hit_y\n" in text
    assert '# representation: {name: point_cloud, group: "Jet"}' in text
    found = study(path)
    assert found.source.options["tree"] == "Events"
    assert "count(Jet_pt)" in found.representation.options["features"]


def test_lists_without_a_momentum_are_offered_to_no_network(tmp_path):
    columns = {"Jet_pt": [[float(x)] for x in X], "Jet_eta": [[0.0]] * len(X), "label": FLAG}
    text = draft([written(tmp_path, **columns)])
    assert "none has a momentum, which networks on particles need:\n#   Jet: Jet_pt" in text
    assert "point_cloud" not in text


@pytest.mark.parametrize("name", ["pt", "a.b", "x y", "class", "pi", 'quo"te', "a/b\\c"])
def test_any_column_can_be_named_in_an_expression(name):
    assert Expression(as_expression(name)).columns == {name}


def test_a_file_without_inputs(tmp_path):
    with pytest.raises(DataError, match="no column is left as an input, since 'kind' is text"):
        draft([written(tmp_path, kind=["a", "b"])])
    with pytest.raises(DataError, match="fewer than two columns of numbers"):
        draft([written(tmp_path, x=X)])
    for values, kind, use in (
        ([[1.0], [2.0, 3.0]], "a list without the prefix of an object", r"max\(eta\)"),
        ([[[1.0]], [[2.0], [3.0]]], "a list of lists", r"max\(max\(eta\)\)"),
    ):
        with pytest.raises(DataError, match=f"'eta' is {kind}, .*: {use}"):
            draft([written(tmp_path, eta=values, phi=values)])


@pytest.mark.parametrize(
    ("name", "text"),
    [("y.coe", "radix=2;\nvector=0,\n1;\n"), ("e.json", '{"a": 3}\n{"b": 3, "c": 4}\n')],
)
def test_a_file_of_another_format_is_called_so(tmp_path, name, text):
    path = tmp_path / f"{name}.gz"
    path.write_bytes(gzip.compress(text.encode()))
    ending = name.partition(".")[2]
    with pytest.raises(DataError, match=rf"ending '\.{ending}', which is none of .*parquet, root"):
        draft([str(path)])


def test_times_are_no_inputs(tmp_path):
    times = np.datetime64("2024-05-31", "ns") + np.arange(20)
    path = written(tmp_path, t=times, x=X, label=FLAG)
    assert study(path).representation.options["features"] == ["x"]
    assert "# No inputs (time): t" in draft([path])
