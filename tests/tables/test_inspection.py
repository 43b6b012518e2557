import io
import os
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import uproot
from rich.console import Console

from bunchtrain.errors import DataError
from bunchtrain.tables.inspect.inspection import inspect

DATA = Path(os.environ.get("BUNCHTRAIN_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture
def path(tmp_path):
    columns = {
        "pt": pa.array([1.0, float("nan"), float("inf"), -4.0]),
        "label": pa.array([0, 1, 1, 0]),
        "kind": pa.array(["top", "qcd", "top", "top"]),
        "hits": pa.array([[1.0, 2.0], [], [float("nan")], [5.0]]),
    }
    pq.write_table(pa.table(columns), tmp_path / "events.parquet")
    return str(tmp_path / "events.parquet")


def test_the_summary_of_a_file(path):
    table = inspect(path).tables[0]
    assert (table.entries, table.sampled, table.complete) == (4, 4, True)
    pt, label, kind, hits = table.columns
    assert (pt.range, pt.nans, pt.infinities) == ((-4, 1), 1, 1)
    assert (label.type, label.values, label.is_integer) == ("int64", (0, 1), True)
    assert kind.values == ("qcd", "top")
    assert (hits.type, hits.lengths, hits.nans) == ("var * float64", (0, 1.0, 2), 1)


def test_a_large_file_is_sampled_from_all_of_it(tmp_path):
    path = str(tmp_path / "long.parquet")
    pq.write_table(pa.table({"x": np.arange(10_000)}), path, row_group_size=500)
    table = inspect(path, rows=50).tables[0]
    assert (table.entries, table.sampled) == (10_000, 50)
    assert table.columns[0].range == (0, 9999)
    assert table.rows == "10,000 rows, statistics from a sample of 50"


def test_the_sample_of_a_text_table_is_from_all_of_it(tmp_path):
    path = tmp_path / "long.csv"
    path.write_text("x,kind\n" + "".join(f"{n},{'abcde'[n // 2000]}\n" for n in range(10_000)))
    (table,) = inspect(str(path), rows=100).tables
    assert table.entries == 10_000
    assert 50 <= table.sampled <= 100
    assert table.rows.startswith("10,000 rows, statistics from a sample of ")
    found = {column.name: column for column in table.columns}
    assert found["kind"].values == ("a", "b", "c", "d", "e")
    assert found["x"].range[0] == 0
    assert found["x"].range[1] > 9800
    assert inspect(str(path), rows=10_000).tables[0].rows == "10,000 rows"


def test_all_trees_are_shown_or_the_selected_one(tmp_path):
    path = str(tmp_path / "two.root")
    with uproot.recreate(path) as file:
        file.mktree("Events", {"x": "f4"}).extend({"x": np.arange(3)})
        file.mktree("Runs", {"y": "i4"}).extend({"y": np.arange(2)})
    assert [table.name for table in inspect(path).tables] == ["Events", "Runs"]
    assert [table.name for table in inspect(f"{path}:Runs").tables] == ["Runs"]
    with pytest.raises(DataError, match="no tree 'Run'"):
        inspect(path, tree="Run")


def test_display_in_terminal_and_notebook(path):
    inspection = inspect(path)
    terminal = io.StringIO()
    Console(file=terminal, width=140).print(inspection)
    for text in (terminal.getvalue(), inspection._repr_html_()):
        assert "events.parquet" in text
        assert "0 – 1.0 – 2" in text
        assert "qcd, top" in text


@pytest.mark.skipif(not DATA.is_dir(), reason="the shared data are not here")
def test_what_cannot_be_read_is_reported():
    inspection = inspect(str(DATA / "root" / "PHYSLITE_example.root"), rows=2)
    table = inspection.tables[0]
    assert len(table.columns) > 1000
    assert "xTrigDecisionAux.xAOD::AuxInfoBase" in table.unreadable
