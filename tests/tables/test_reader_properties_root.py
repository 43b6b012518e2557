"""ROOT files of uproot are read with the values they hold."""

import tempfile
from pathlib import Path

import awkward as ak
import numpy as np
import pyarrow as pa
import pytest
import uproot
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from property_settings import examples
from reading_back import TEXT, check, numbers

from bunchtrain.tables.reading import open_table

pytestmark = pytest.mark.property

NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
INTEGERS = [f"{sign}int{bits}" for sign in ("", "u") for bits in (8, 16, 32, 64)]
TREE_TYPES = [*INTEGERS, "float32", "float64", "bool"]


def kind_of(dtype):
    return "boolean" if dtype == "bool" else "number"


@st.composite
def branches(draw, rows):
    """Return (branch type, array, values, kind) of numbers, fixed arrays or lists."""
    dtype = draw(st.sampled_from(TREE_TYPES))
    shape = draw(st.sampled_from(["flat", "fixed", "list"]))
    item = numbers(dtype)
    if shape == "list":
        values = draw(st.lists(st.lists(item, max_size=3), min_size=rows, max_size=rows))
        content = np.array([v for row in values for v in row], dtype)
        counts = np.array([len(row) for row in values], np.int64)
        return f"var * {dtype}", ak.unflatten(ak.Array(content), counts), values, [kind_of(dtype)]
    size = (rows, 2) if shape == "fixed" else (rows,)
    count = int(np.prod(size))
    array = np.array(draw(st.lists(item, min_size=count, max_size=count)), dtype).reshape(size)
    kind = kind_of(dtype)
    branch = np.dtype((dtype, (2,))) if shape == "fixed" else np.dtype(dtype)
    return branch, array, array.tolist(), [kind] if shape == "fixed" else kind


@given(data=st.data(), rows=st.integers(0, 4), step=st.integers(1, 5), baskets=st.integers(1, 2))
@settings(max_examples=examples(100), deadline=None)
def test_ttree(data, rows, step, baskets):
    names = data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    assume(not {f"n{name}" for name in names} & set(names))  # uproot's counters of lists
    found = {name: data.draw(branches(rows)) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.root"
        with uproot.recreate(path) as file:
            tree = file.mktree("events", {name: one[0] for name, one in found.items()})
            for _ in range(baskets):
                if rows:
                    tree.extend({name: one[1] for name, one in found.items()})
            file.mktree("empty", {"x": "f4"})
        columns = {name: (one[2] * baskets, one[3]) for name, one in found.items()}
        table = check(path, columns, tree="events", rows=step)
        assert table.entries == rows * baskets
        if rows:
            only = open_table(str(path))
            assert (only.name, only.note) == (
                "events",
                "of 2 trees, 'events' is the only one with rows",
            )


LEAVES = {name: getattr(pa, name)() for name in [*INTEGERS, "float32", "float64"]}
LEAVES |= {"bool": pa.bool_(), "text": pa.string()}


@st.composite
def fields(draw, rows, depth=2):
    """Return (awkward array, values, kind) of numbers, texts, lists of lists, missing items."""
    leaf = draw(st.sampled_from(list(LEAVES)))
    optional = draw(st.booleans())
    item = TEXT if leaf == "text" else numbers(np.dtype(leaf))
    item = st.one_of(st.none(), item) if optional else item
    kind, type = "text" if leaf == "text" else kind_of(leaf), LEAVES[leaf]
    for _ in range(draw(st.integers(0, depth))):
        item, kind, type = st.lists(item, max_size=3), [kind], pa.list_(type)
    values = draw(st.lists(item, min_size=rows, max_size=rows))
    array = ak.from_arrow(pa.array(values, type))
    if not optional:  # without the type of missing items, which Arrow has always
        array = ak.fill_none(array, "" if leaf == "text" else np.dtype(leaf).type(0), axis=-1)
    # uproot writes other values for the bit masks of Arrow.
    return ak.to_packed(ak.transform(_index_missing, array)), values, kind


def _index_missing(layout, **_):
    masked = isinstance(layout, ak.contents.BitMaskedArray | ak.contents.ByteMaskedArray)
    return layout.to_IndexedOptionArray64() if masked else None


@given(data=st.data(), rows=st.integers(0, 4), step=st.integers(1, 5))
@settings(max_examples=examples(100), deadline=None)
def test_rntuple(data, rows, step):
    names = data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    found = {name: data.draw(fields(rows)) for name in names}
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.root"
        with uproot.recreate(path) as file:
            file.mkrntuple("events", ak.zip({n: one[0] for n, one in found.items()}, depth_limit=1))
        columns = {name: one[1:] for name, one in found.items()}
        table = check(path, columns, rows=step)
        assert table.entries == rows
