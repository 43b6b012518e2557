"""Studies with a row for each object: split by events, predictions back to the event's lists."""

import sys

import awkward as ak
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest
import uproot

import bunchtrain
from bunchtrain.cli.main import main
from bunchtrain.study import validate
from bunchtrain.tables.reading import open_table
from bunchtrain.workflow import predict_new_events
from bunchtrain.workflow.run_events import run_events

SCORES = ["boosted_trees_light", "boosted_trees_b"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("rows_of_objects")


@pytest.fixture(scope="module")
def events():
    """400 events with 0 to 3 jets, of which b jets are harder."""
    random = np.random.default_rng(1)
    counts = random.integers(0, 4, 400)
    pt = random.exponential(30, counts.sum())
    is_b = (pt + 20 * random.normal(size=len(pt)) > 30).astype(int)
    lists = {"Jet_pt": pt, "Jet_b": is_b, "Jet_eta": random.normal(size=len(pt))}
    return ak.Array(
        {"event": np.arange(400), "met": random.exponential(20, 400)}
        | {name: ak.unflatten(values, counts) for name, values in lists.items()}
    )


@pytest.fixture(scope="module")
def run(folder, events):
    pq.write_table(ak.to_arrow_table(events, extensionarray=False), folder / "events.parquet")
    study = {
        "name": "jets",
        "source": {"name": "files", "files": str(folder / "events.parquet")},
        "rows": "Jet",
        "select": "abs(Jet_eta) < 1.5",
        "targets": {"flavour": {"classes": {"light": "Jet_b == 0", "b": "Jet_b == 1"}}},
        "spectators": ["source_entry", "object_index"],
        "representation": {"name": "table", "features": ["Jet_pt", "met"]},
        "model": {"name": "boosted_trees", "trees": 10},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
        yield bunchtrain.run(validate(study), runs=folder / "runs", jobs=1)


def test_rows_of_an_event_are_in_one_set(run):
    assert run.metrics["boosted_trees"]["auc"]["value"] > 0.7
    sets = {}
    for split in ("train", "validation", "test"):
        for block in run_events(run.files, run.study).of(split).blocks(None, 1000):
            for entry in ak.to_numpy(block["source_entry"]).tolist():
                assert sets.setdefault(entry, split) == split


@pytest.mark.parametrize("rows", [16384, 7])
def test_predictions_in_memory_are_lists_of_the_events(run, events, monkeypatch, rows):
    monkeypatch.setattr(predict_new_events, "ROWS", rows)
    found = run.predict(events)
    assert found.fields == ["Jet_selected", *(f"Jet_{name}" for name in SCORES)]
    assert ak.num(found.Jet_boosted_trees_b).tolist() == ak.num(events.Jet_pt).tolist()
    assert ak.array_equal(found.Jet_selected, abs(events.Jet_eta) < 1.5)
    assert ak.array_equal(ak.nan_to_num(found.Jet_boosted_trees_b, nan=-1) >= 0, found.Jet_selected)
    flat = run.predict(events, per_object=True)
    for name in SCORES:
        np.testing.assert_array_equal(ak.flatten(found[f"Jet_{name}"]), flat[name])
    assert flat.source_entry.tolist() == np.repeat(np.arange(400), ak.num(events.Jet_pt)).tolist()
    assert flat.object_index.tolist() == ak.flatten(ak.local_index(events.Jet_pt)).tolist()
    # each jet has the prediction that it has without the others
    jets = {"Jet_pt": ak.flatten(events.Jet_pt)[:, None], "Jet_eta": np.zeros((len(flat), 1))}
    alone = run.predict(jets | {"met": np.repeat(events.met, ak.num(events.Jet_pt))}, select=False)
    every = run.predict(events, select=False)
    assert ak.array_equal(
        ak.flatten(alone["Jet_boosted_trees_b"]), ak.flatten(every[every.fields[-1]])
    )


@pytest.mark.parametrize("rows", [16384, 7])
@pytest.mark.parametrize("ending", [".parquet", ".h5", ".root"])
def test_files_have_the_lists_of_the_events(run, events, folder, monkeypatch, rows, ending):
    monkeypatch.setattr(predict_new_events, "ROWS", rows)
    counts = run.write_predictions(folder / "events.parquet", folder / f"scores{ending}")
    number = int(ak.sum(ak.num(events.Jet_pt)))
    assert (counts.events, counts.objects) == (400, number)
    assert counts.selected == int(ak.sum(abs(events.Jet_eta) < 1.5))
    table, expected = open_table(str(folder / f"scores{ending}")), run.predict(events)
    found = ak.concatenate(list(table.blocks(expected.fields, 100)))
    for name in expected.fields:
        assert ak.array_equal(found[name], expected[name], equal_nan=True, dtype_exact=False)


def test_lists_are_a_friend_tree_of_the_input(run, events, folder):
    with uproot.recreate(folder / "nano.root") as file:
        jets = ak.zip({n: events[f"Jet_{n}"] for n in ("pt", "eta", "b")})
        file.mktree("Events", {"met": "f8", "Jet": str(jets.type.content)}).extend(
            {"met": events.met, "Jet": jets}
        )
    run.predict(folder / "nano.root", folder / "friend.root")
    with uproot.open(folder / "friend.root") as friend, uproot.open(folder / "nano.root") as nano:
        assert friend["scores"].num_entries == nano["Events"].num_entries
        assert ak.array_equal(
            ak.num(friend["scores"]["Jet_boosted_trees_b"].array()),
            nano["Events"]["nJet"].array(),
            dtype_exact=False,
        )


def test_exports_are_verified_on_objects(run, folder):
    exported = run.export("onnx", file=str(folder / "events.parquet"))
    assert exported.verifications["boosted_trees"].holds


def test_several_files_are_numbered_by_event(run, events, folder):
    for k, part in enumerate([events[:10], events[10:30]]):
        pq.write_table(ak.to_arrow_table(part, extensionarray=False), folder / f"part_{k}.parquet")
    assert run.predict(str(folder / "part_*.parquet"), folder / "parts.parquet") == 30
    found = ak.from_parquet(folder / "parts.parquet")
    assert found.file_number.tolist() == [0] * 10 + [1] * 20
    assert found.entry.tolist() == [*range(10), *range(20)]
    assert ak.num(found.Jet_boosted_trees_b).tolist() == ak.num(events.Jet_pt[:30]).tolist()


@pytest.mark.parametrize("ending", [".parquet", ".h5", ".root"])
def test_events_without_jets_have_empty_lists(run, events, folder, ending):
    for k, part in enumerate([events[:0], events[ak.num(events.Jet_pt) == 0]]):
        path, output = folder / f"none_{k}.parquet", folder / f"none_{k}{ending}_scores{ending}"
        pq.write_table(ak.to_arrow_table(part, extensionarray=False), path)
        assert run.predict(path, output) == len(part)
        table = open_table(str(output))
        assert table.fields()["Jet_boosted_trees_b"].startswith("var * float")
        blocks = list(table.blocks(["Jet_boosted_trees_b"], 1000))
        assert sum(int(ak.sum(ak.num(block.Jet_boosted_trees_b))) for block in blocks) == 0


def test_the_command_writes_lists_or_rows(run, events, folder, monkeypatch, capsys):
    source = folder / "events.parquet"

    def predict(output, *options):
        words = ["bunchtrain", "predict", run.files.path, source, "-o", folder / output, *options]
        monkeypatch.setattr(sys, "argv", [str(word) for word in words])
        with pytest.raises(SystemExit) as ended:
            main()
        return ended.value.code

    number = int(ak.sum(ak.num(events.Jet_pt)))
    assert not predict("lists.parquet")
    assert f"400 events of {number:,} objects, of which 'select' selects" in capsys.readouterr().out
    assert not predict("rows.csv", "--per-object")
    assert f"{number:,} rows, of which 'select' selects" in capsys.readouterr().out
    assert len(pd.read_csv(folder / "rows.csv")) == number
    assert predict("lists.csv") == 2
    assert "CSV holds no lists of predictions for each Jet; write .parquet, .h5 or .root" in (
        " ".join(capsys.readouterr().err.split())
    )


def test_several_objects_of_an_event_have_a_column_each(folder, monkeypatch):
    random = np.random.default_rng(2)
    truth = random.integers(0, 2, (300, 2))
    mass = random.normal(truth, 0.5)
    frame = pd.DataFrame(
        {f"jet{i + 1}_m": mass[:, i] for i in range(2)}
        | {f"jet{i + 1}_top": truth[:, i] for i in range(2)}
        | {"met": random.exponential(20, 300)},
        index=np.arange(300) + 1000,
    )
    frame.to_parquet(folder / "pairs.parquet", index=False)
    study = {
        "source": {"name": "files", "files": str(folder / "pairs.parquet")},
        "rows": ["jet1", "jet2"],
        "targets": {"top": {"classes": {"qcd": "jet_top == 0", "top": "jet_top == 1"}}},
        "representation": {"name": "table", "features": ["jet_m", "met"]},
        "model": {"name": "boosted_trees", "trees": 10},
    }
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
    run = bunchtrain.run(validate(study), runs=folder / "runs", jobs=1)
    found = run.predict(frame)
    names = [f"jet{i}_boosted_trees_{label}" for i in (1, 2) for label in ("qcd", "top")]
    assert list(found) == names
    assert found.index.tolist() == frame.index.tolist()
    for name in ("jet1", "jet2"):
        assert (found[f"{name}_boosted_trees_top"] > 0.5).eq(frame[f"{name}_m"] > 0.5).mean() > 0.9
    flat = run.predict(frame, per_object=True)
    np.testing.assert_array_equal(flat["boosted_trees_top"][1::2], found[names[3]])
    for ending in (".csv", ".root", ".h5", ".parquet"):
        output = folder / f"pairs_scores{ending}"
        assert run.predict(folder / "pairs.parquet", output) == 300
        assert list(open_table(str(output)).fields()) == names
