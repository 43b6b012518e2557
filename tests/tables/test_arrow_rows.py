"""Rows of Arrow files are read at their offsets, and taken, as awkward does in memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.errors import DataError
from bunchtrain.tables.arrow import to_events, to_table, write
from bunchtrain.tables.arrow_rows import ArrowFile, data_bytes, take

ROWS = 40


def columns() -> dict[str, Any]:
    """Return columns of every type that a cache stores."""
    random = np.random.default_rng(1)
    counts = random.integers(0, 4, ROWS)
    inner = random.integers(0, 3, int(counts.sum()))
    items = random.normal(size=int(counts.sum())).astype(np.float32)
    nested = ak.unflatten(ak.unflatten(np.arange(int(inner.sum())), inner), counts)
    missing = ak.Array([None if row % 3 else float(row) for row in range(ROWS)])
    return {
        "number": random.normal(size=ROWS),
        "short": np.arange(ROWS, dtype=np.uint8),
        "list": ak.unflatten(items, counts),
        "same_lists": ak.unflatten(2 * items, counts),
        "nested": nested,
        "text": ak.Array([str(row) * (row % 4) for row in range(ROWS)]),
        "image": ak.Array(random.normal(size=(ROWS, 3, 2)).astype(np.float32)),
        "missing": missing,
        "__key": np.sort(random.integers(0, 50, ROWS)).astype(np.uint64),
    }


TABLE = to_table(columns())
EVENTS = to_events(TABLE)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("arrow") / "table.arrow"
    write(TABLE, path)
    return path


def content(table: pa.Table) -> list[Any]:
    found: list[Any] = to_events(table).to_list()
    return found


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, ROWS), min_size=2, max_size=8).map(sorted))
def test_spans_of_a_file_are_its_rows(file: Path, edges: list[int]) -> None:
    spans = list(zip(edges[::2], edges[1::2], strict=False))
    wanted = [row for start, stop in spans for row in range(start, stop)]
    found = ArrowFile(file).rows(spans)
    assert found.schema == TABLE.schema
    assert str(content(found)) == str(EVENTS[wanted].to_list())
    assert ArrowFile(file).rows(spans, ["text"]).column_names == ["text"]


@settings(max_examples=25, deadline=None)
@given(st.lists(st.integers(0, ROWS - 1), max_size=60), st.integers(1, ROWS))
def test_taken_rows_are_those_of_awkward(rows: list[int], cut: int) -> None:
    index = np.asarray(rows, np.int64)
    for table in (TABLE, pa.concat_tables([TABLE[:cut], TABLE[cut:]])):
        found = take(table, index)
        assert found.schema == TABLE.schema
        assert str(content(found)) == str(EVENTS[index].to_list())


@settings(max_examples=25, deadline=None)
@given(st.integers(0, 55), st.integers(1, 55))
def test_span_of_keys(file: Path, low: int, high: int) -> None:
    keys = EVENTS["__key"].to_numpy()
    first, last = ArrowFile(file).span("__key", low, high)
    assert first == np.searchsorted(keys, low)
    assert last == np.searchsorted(keys, high)


def test_bytes_are_those_of_the_values() -> None:
    _, _, buffers = ak.to_buffers(ak.to_packed(EVENTS))
    assert data_bytes(TABLE) == sum(one.nbytes for n, one in buffers.items() if n.endswith("data"))


def test_truncated_file_is_reported(file: Path, tmp_path: Path) -> None:
    opened = ArrowFile(tmp_path / "part.arrow")
    opened.path.write_bytes(file.read_bytes())
    opened.rows([(0, 1)])
    opened.path.write_bytes(file.read_bytes()[:64])
    with pytest.raises(DataError, match="truncated"):
        opened.rows([(ROWS - 1, ROWS)], ["number"])
