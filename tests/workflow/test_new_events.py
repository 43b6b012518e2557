"""Predictions for new events: formats, several and empty files, missing labels, data in memory."""

import gzip

import awkward as ak
import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.csv as pc
import pyarrow.parquet as pq
import pytest
import yaml

import bunchtrain
from bunchtrain.errors import DataError, UserError
from bunchtrain.tables.reading import open_table

ROWS = 400
SCORES = ["boosted_trees_b", "boosted_trees_s"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    return tmp_path_factory.mktemp("new_events")


@pytest.fixture(scope="module")
def columns():
    draw = np.random.default_rng(3)
    truth = draw.integers(0, 2, ROWS)
    return {
        "flavour": truth * 5,
        "pt": draw.uniform(20, 100, ROWS).astype("f4"),
        "mass": (draw.normal(truth, 1)).astype("f4"),
        "trigger": draw.integers(0, 4, ROWS) > 0,
    }


def train(folder, name, source, **changes):
    content = {
        "source": {"name": "files", **source},
        "targets": {"jet": {"classes": {"b": "flavour == 0", "s": "flavour == 5"}}},
        "representation": {"name": "table", "features": ["log_pt", "mass"]},
        "define": {"log_pt": "log(pt)", "is_b": "flavour == 5"},
        "model": {"name": "boosted_trees", "trees": 5},
        "evaluation": ["classification"],
    }
    path = folder / f"{name}.yaml"
    path.write_text(yaml.safe_dump(content | changes))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("BUNCHTRAIN_CACHE", str(folder / "cache"))
        return bunchtrain.run(path, runs=folder / "runs")


@pytest.fixture(scope="module")
def run(folder, columns):
    pq.write_table(pa.table(columns), folder / "train.parquet")
    return train(
        folder, "selected", {"files": str(folder / "train.parquet")}, select="trigger and pt > 30"
    )


@pytest.fixture(scope="module")
def headless(folder, columns):
    """A run on a file without header, whose first column is the label and last is not used."""
    pc.write_csv(
        pa.table({**columns, "trigger": columns["trigger"].astype(int)}),
        folder / "train.csv",
        pc.WriteOptions(include_header=False),
    )
    return train(
        folder,
        "headless",
        {"files": str(folder / "train.csv")},
        targets={"jet": {"classes": {"b": "column_0 == 0", "s": "column_0 == 5"}}},
        define={},
        representation={"name": "table", "features": ["column_1", "column_2"]},
    )


def read(path):
    table = open_table(str(path))
    blocks = list(table.blocks(list(table.fields()), 1000))
    return {
        name: np.concatenate([ak.to_numpy(b[name]) for b in blocks]) if blocks else np.empty(0)
        for name in table.fields()
    }


def test_every_format_has_the_same_rows(run, folder):
    expected = run.predict(pq.read_table(folder / "train.parquet"))
    assert expected.column_names == ["selected", *SCORES]
    for ending in (".csv", ".h5", ".parquet", ".root"):
        output = folder / f"scores{ending}"
        assert run.predict(folder / "train.parquet", output) == ROWS
        found = read(output)
        for name in expected.column_names:
            np.testing.assert_array_equal(
                found[name].astype("f4"), expected[name].to_numpy().astype("f4")
            )


def test_many_files_keep_their_order_and_are_numbered(run, folder, columns):
    for k, rows in enumerate([slice(0, 7), slice(7, 7), slice(7, 30)]):
        part = {name: values[rows] for name, values in columns.items()}
        pq.write_table(pa.table(part), folder / f"part_{k}.parquet")
    counts = run.write_predictions([str(folder / "part_*.parquet")], folder / "parts.csv")
    found, expected = read(folder / "parts.csv"), run.predict(columns)
    assert counts.events == 30
    assert counts.selected == expected["selected"][:30].sum()
    assert found["file_number"].tolist() == [0] * 7 + [2] * 23
    assert found["entry"].tolist() == [*range(7), *range(23)]
    np.testing.assert_array_equal(found[SCORES[1]].astype("f4"), expected[SCORES[1]][:30])


@pytest.mark.parametrize("ending", [".csv", ".h5", ".parquet", ".root"])
@pytest.mark.parametrize("given", ["empty.csv", "empty.parquet"])
def test_an_empty_file_gives_the_columns_without_rows(run, folder, given, ending, columns):
    if given.endswith("csv"):
        (folder / given).write_text(",".join(columns) + "\n")
    else:
        pq.write_table(pa.table(columns).slice(0, 0), folder / given)
    output = folder / f"empty_scores{ending}"
    if given == "empty.csv":  # text without rows has no types, so `trigger` is no condition
        assert run.predict(folder / given, output, select=False) == 0
    else:
        assert run.predict(folder / given, output) == 0
    assert set(SCORES) <= set(open_table(str(output)).fields())


def test_no_event_that_passes_the_selection_is_reported(run, folder, columns, capsys):
    pq.write_table(pa.table({**columns, "pt": np.full(ROWS, 25.0)}), folder / "soft.parquet")
    counts = run.write_predictions(str(folder / "soft.parquet"), folder / "soft.csv")
    assert (counts.events, counts.selected) == (ROWS, 0)
    found = read(folder / "soft.csv")
    assert not found["selected"].any()
    assert np.isnan(found[SCORES[0]]).all()
    everything = run.predict({**columns, "pt": np.full(ROWS, 25.0)}, select=False)
    assert list(everything) == SCORES
    assert np.isfinite(everything[SCORES[0]]).all()


def test_labels_and_columns_that_no_model_reads_may_be_missing(run, columns):
    less = {name: columns[name] for name in ("pt", "mass", "trigger")}
    full = run.predict(columns)
    for name, values in run.predict(less).items():
        np.testing.assert_array_equal(values, full[name])
    with pytest.raises(DataError, match=r"'trigger', which the study's select .* reads"):
        run.predict({name: columns[name] for name in ("pt", "mass")})


def test_files_without_header_may_lack_the_label(headless, folder, columns):
    expected = headless.predict({"column_1": columns["pt"], "column_2": columns["mass"]})
    lines = (folder / "train.csv").read_text().splitlines()
    files = {
        "full.csv": lines,
        "unlabelled.csv": [line.partition(",")[2] for line in lines],
        "named.csv": ["a,column_2,column_1"]
        + [f"0,{m},{p}" for p, m in zip(columns["pt"], columns["mass"], strict=True)],
    }
    for name, content in files.items():
        with gzip.open(folder / f"{name}.gz", "wt") as file:
            file.write("\n".join(content) + "\n")
        headless.predict(str(folder / f"{name}.gz"), folder / "scores.parquet")
        found = read(folder / "scores.parquet")
        np.testing.assert_allclose(found[SCORES[1]], expected[SCORES[1]], atol=1e-6)
    (folder / "short.csv").write_text("1,2\n3,4\n")
    with pytest.raises(DataError, match=r"2 columns and no header; .* 4 columns, or 3 without"):
        headless.predict(str(folder / "short.csv"), folder / "scores.parquet")


def test_data_in_memory_give_the_same_kind(run, columns):
    expected = run.predict(columns)
    assert list(expected) == ["selected", *SCORES]
    frame = pd.DataFrame(columns, index=np.arange(ROWS) + 7)
    found = run.predict(frame)
    assert found.index.equals(frame.index)
    records = run.predict(ak.zip(columns))
    assert records.fields == list(expected)
    types = [(name, values.dtype) for name, values in columns.items()]
    structured = np.empty(ROWS, types)
    for name, values in columns.items():
        structured[name] = values
    rows = run.predict(structured)
    assert rows.dtype.names == tuple(expected)
    table = run.predict(pa.table(columns))
    for name, values in expected.items():
        for one in (found[name], records[name], rows[name], table[name].to_numpy()):
            np.testing.assert_array_equal(ak.to_numpy(ak.Array(np.asarray(one))), values)


def test_mistakes_are_found_before_any_work(run, folder, columns):
    with pytest.raises(UserError, match=r"must end in \.csv"):
        run.predict(columns, "scores.xlsx")
    with pytest.raises(UserError, match="is one of the files to predict"):
        run.predict(folder / "train.parquet", folder / "train.parquet")
    with pytest.raises(UserError, match="is a file of the run"):
        run.predict(columns, run.files.predictions_file)
    with pytest.raises(UserError, match="need an output file"):
        run.predict("file.root")
    with pytest.raises(DataError, match="no file matches"):
        run.predict("nowhere_*.root", "scores.root")
    with pytest.raises(DataError, match="'pt' has 400 events and 'mass' 3"):
        run.predict({"pt": columns["pt"], "mass": columns["mass"][:3]})
    with pytest.raises(DataError, match="no named columns"):
        run.predict(np.zeros((3, 2)))


def test_a_run_is_described_and_has_its_figures(run):
    events = len(run.predictions)
    assert repr(run) == f"<Run '{run.folder}': selected, boosted_trees, {events} test events>"
    files = run.figures("classification")["classification"]
    assert files[0].name.startswith("plot_0.")
    assert all(file.is_file() for file in files)
    assert set(run.figures()) >= {"classification"}
    assert run.figures("nothing") == {}


def test_written_predictions_of_data_in_memory_have_the_units_of_the_study(folder, columns):
    in_mev = columns | {"pt": 1000 * columns["pt"]}
    pq.write_table(pa.table(in_mev), folder / "mev.parquet")
    source = {"files": str(folder / "mev.parquet"), "units": {"pt": "MeV"}}
    run = train(folder, "units", source)
    returned = run.predict(in_mev)
    run.predict(in_mev, folder / "units.parquet")
    written = pq.read_table(folder / "units.parquet")
    for name in SCORES:
        np.testing.assert_array_equal(written[name].to_numpy(), returned[name])
    unconverted = run.predict(in_mev | {"pt": 1000 * in_mev["pt"]})
    assert not np.array_equal(unconverted[SCORES[1]], returned[SCORES[1]])
