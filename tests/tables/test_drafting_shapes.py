"""Drafts for every shape of data: what is recognised, and how it is written."""

from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest

from bunchtrain.errors import UserError
from bunchtrain.study import load
from bunchtrain.tables.inspect.drafting import Hints, sketch

RANDOM = np.random.default_rng(1)


def written(tmp_path, columns, name="data"):
    path = tmp_path / f"{name}.parquet"
    pq.write_table(pa.table(columns), path)
    return str(path)


def study(path, **hints):
    made = Path(path).with_suffix(".yaml")
    made.write_text(sketch([path], Hints(**hints)).text)
    return load(made)


def numbers(rows, *names):
    return {name: RANDOM.normal(size=rows) for name in names}


def lists(counts, **columns):
    return {name: pa.array(ak.unflatten(v, counts).to_list()) for name, v in columns.items()}


def hits(events=40, **more):
    counts = RANDOM.integers(5, 12, events)
    total = counts.sum()
    columns = {f"hit_{axis}": RANDOM.normal(size=total) for axis in "xyz"}
    return lists(counts, **columns, **{name: make(total) for name, make in more.items()})


def steps(rows, start="2024-05-31T00:00:00"):
    return np.datetime64(start, "ns") + np.arange(rows) * np.timedelta64(1, "s")


def test_without_a_label_rows_are_described_without_one(tmp_path):
    found = study(written(tmp_path, numbers(50, "a", "b", "c") | {"flag": np.arange(50) % 5}))
    assert not found.targets
    assert not found.truth
    methods = [model.method.name for model in found.models.values()]
    assert methods == ["pca", "isolation_forest", "autoencoder"]
    assert [one.name for one in found.evaluation] == ["anomaly_scores"]


def test_a_named_target_is_predicted(tmp_path):
    path = written(tmp_path, numbers(60, "a", "b", "c") | {"kind": np.arange(60) % 3})
    assert len(study(path, target="kind").targets["label"].classes) == 3
    assert study(path, target="a").targets["label"].values == {"a": "a"}
    labelled = written(tmp_path, numbers(60, "a", "b") | {"label": np.arange(60) % 2}, "labelled")
    assert study(labelled).targets
    assert not study(labelled, target="none").targets


def test_hits_with_classes_have_a_target_of_each(tmp_path):
    columns = hits(hit_label=lambda n: RANDOM.integers(0, 3, n))
    found = study(written(tmp_path, columns))
    assert found.targets["hit"].on == "hit"
    assert len(found.targets["hit"].classes) == 3
    assert found.representation.name == "graph"
    assert found.representation.options["coordinates"] == ["x", "y", "z"]
    assert "label" not in found.representation.options["features"]


def test_hits_with_an_identifier_have_edges_and_tracks(tmp_path):
    columns = hits(hit_particle=lambda n: RANDOM.integers(-1, 20, n))
    found = study(written(tmp_path, columns))
    assert found.targets["hit"].classes["noise"] == "hit_particle < 0"
    assert found.targets["pair"].same == "owner"
    assert found.truth["owner"].ids == "hit_particle"
    assert "tracks" in found.transforms


def test_edges_of_the_file_are_used(tmp_path):
    counts = np.full(30, 6)
    ends = {
        "edge_src": np.tile(np.arange(6), 30),
        "edge_dst": np.tile(np.roll(np.arange(6), 1), 30),
    }
    edges = lists(counts, **ends, edge_label=np.arange(180) % 2)
    points = lists(counts, **{f"node_{axis}": RANDOM.normal(size=180) for axis in "xyz"})
    found = study(written(tmp_path, points | edges))
    assert found.define == {"edge_first": "edge_src", "edge_second": "edge_dst"}
    assert found.representation.name == "edge_list"
    assert found.targets["link"].on == "edge"


def test_a_label_of_lists_makes_rows_of_the_object(tmp_path):
    counts = RANDOM.integers(1, 5, 60)
    total = counts.sum()
    names = ("Jet_pt", "Jet_eta", "Jet_phi", "Jet_mass")
    columns = {name: RANDOM.exponential(size=total) for name in names}
    flavour = RANDOM.choice([0, 4, 5], total)
    path = written(tmp_path, lists(counts, **columns, Jet_hadronFlavour=flavour))
    found = study(path)
    assert found.rows == "Jet"
    assert next(iter(found.targets["label"].classes.values())) == "Jet_hadronFlavour == 0"
    assert found.representation.options["features"] == list(names)


def test_rows_of_dotted_columns_have_a_label_that_is_no_link(tmp_path):
    counts = RANDOM.integers(1, 5, 60)
    total = counts.sum()
    columns = {f"Tau.{name}": RANDOM.exponential(size=total) for name in ("pt", "eta", "phi", "m")}
    columns["Tau.truthParticleLink.m_persKey"] = RANDOM.choice([0, 4, 5], total)
    path = written(tmp_path, lists(counts, **columns))
    assert study(path).rows is None
    columns["Tau.truthType"] = RANDOM.choice([0, 4, 5], total)
    found = study(written(tmp_path, lists(counts, **columns)))
    assert found.rows == "Tau"
    assert next(iter(found.targets["label"].classes.values())) == "Tau_truthType == 0"


def test_numbered_objects_with_a_label_are_rows(tmp_path):
    columns = {f"jet{k}_{name}": RANDOM.normal(size=60) for k in (1, 2) for name in ("pt", "m")}
    columns |= {f"jet{k}_is_b": RANDOM.integers(0, 2, 60) for k in (1, 2)}
    found = study(written(tmp_path, columns))
    assert found.rows == ["jet1", "jet2"]
    assert found.targets["label"].classes["signal"] == "jet_is_b == 1"
    assert found.representation.options["features"] == ["jet_pt", "jet_m"]


def test_rows_can_be_named(tmp_path):
    columns = {f"jet{k}_{name}": RANDOM.normal(size=60) for k in (1, 2) for name in ("pt", "m")}
    found = study(written(tmp_path, columns), rows=["jet1", "jet2"])
    assert found.rows == ["jet1", "jet2"]
    assert not found.targets


def test_a_series_is_split_by_time(tmp_path):
    path = tmp_path / "series.csv"
    pc.write_csv(pa.table({"datetime": steps(600), **numbers(600, "a", "b")}), path)
    found = study(str(path))
    assert found.windows.time == "datetime"
    assert found.windows.columns == ["a", "b"]
    assert (found.split.name, found.split.options["column"]) == ("time", "series_row")
    assert found.split.options["validation_from"] < found.split.options["test_from"] < 600
    assert not found.truth


def test_the_anomaly_label_of_series_is_the_truth(tmp_path):
    fault = np.tile(np.arange(300) % 50 > 40, 3).astype(int)
    columns = {"experiment": np.repeat(["a", "b", "c"], 300), "time": np.tile(np.arange(300), 3)}
    path = written(tmp_path, columns | numbers(900, "p", "q") | {"anomaly": fault})
    found = study(path)
    assert found.windows.series == "experiment"
    assert found.windows.scale is not None
    assert found.truth["state"].classes == {"normal": "anomaly == 0", "anomaly": "anomaly != 0"}
    assert [one.name for one in found.evaluation] == ["anomaly_detection", "alarm_rates"]
    assert study(path, time="none").windows is None


def test_rows_at_random_times_are_no_series(tmp_path):
    times = np.cumsum(RANDOM.exponential(size=500) ** 3)
    path = written(tmp_path, {"time": times, **numbers(500, "a", "b")})
    assert study(path).windows is None
    assert study(path, time="time").windows is not None


def test_decisions_have_reasons(tmp_path):
    found = sketch([written(tmp_path, {"datetime": steps(600), **numbers(600, "a", "b")})])
    parts = {one.part: one for one in found.decisions}
    assert {"table", "series", "windows", "split", "truth", "models"} <= set(parts)
    assert all(one.reason for one in found.decisions)


@pytest.mark.parametrize(
    ("hints", "message"),
    [
        ({"target": "lable"}, "no column 'lable' of single values; did you mean 'label'"),
        ({"time": "tmie"}, "no column 'tmie'; did you mean 'time'"),
        ({"time": "time"}, "not in the order of 'time'"),
    ],
)
def test_hints_that_do_not_fit_end_in_a_sentence(tmp_path, hints, message):
    columns = {"time": RANDOM.normal(size=60), "label": np.arange(60) % 2, **numbers(60, "a")}
    with pytest.raises(UserError, match=message):
        sketch([written(tmp_path, columns)], Hints(**hints))


@pytest.mark.parametrize("named", [False, True])
def test_particles_and_antiparticles_are_one_class_or_their_charge_is_no_input(tmp_path, named):
    code = RANDOM.choice([-13, 13, 211], 200)
    columns = numbers(200, "Mu_pt", "Mu_eta", "Mu_phi") | {"Mu_charge": -np.sign(code)}
    path = written(tmp_path, lists(np.full(50, 4), **columns, Mu_truthPdgId=code))
    found = study(path, **({"target": "Mu_truthPdgId"} if named else {}))
    features = found.representation.options["features"]
    classes = list(found.targets["label"].classes.values())
    if named:
        assert len(classes) == 3
        assert "Mu_charge" not in features
    else:
        assert sorted(classes) == ["abs(Mu_truthPdgId) == 13", "abs(Mu_truthPdgId) == 211"]
        assert "Mu_charge" in features


def test_columns_of_zeros_or_of_a_w_boson_are_no_weights(tmp_path):
    columns = numbers(60, "a", "b", "WQuark_px") | {
        "W_px": np.zeros(60),
        "EventWeight": np.ones(60),
        "ptvarcone30_Nonprompt_All_MaxWeightTTVA_pt1000": np.linspace(0, 1, 60),
    }
    text = sketch([written(tmp_path, columns)]).text
    assert "#   event: EventWeight" in text
    assert "event: ptvarcone30" not in text
