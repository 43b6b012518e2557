"""HDF5 files of h5py, pandas and PyTables are read with the values they hold."""

import tempfile
import warnings
from pathlib import Path

import h5py
import numpy as np
import pandas as pd
import pytest
import tables as pytables
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples
from reading_back import TEXT, check, numbers

pytestmark = pytest.mark.property

NUMBERS = [f"{order}{kind}{size}" for order in "<>" for kind in "iu" for size in (1, 2, 4, 8)]
NUMBERS += [f"{order}f{size}" for order in "<>" for size in (2, 4, 8)] + ["?"]
NAMES = st.from_regex(r"[a-z][a-z0-9]{0,5}", fullmatch=True)
FIXED_TEXT = st.text(st.characters(codec="utf-8", exclude_characters="\0"), max_size=4)


def kind_of(dtype):
    return "boolean" if np.dtype(dtype).kind == "b" else "number"


@st.composite
def arrays(draw, dtype, shape):
    """Return an array of a type, its values often at the limits of the type."""
    flat = draw(
        st.lists(numbers(dtype), min_size=int(np.prod(shape)), max_size=int(np.prod(shape)))
    )
    order = draw(st.sampled_from("CF"))
    return np.asarray(np.array(flat, dtype).reshape(shape), order=order)


def nested(kind, depth):
    return kind if depth == 0 else nested([kind], depth - 1)


@st.composite
def number_columns(draw, rows, max_depth=2):
    """Return (array, values, kind) of a number type and up to two further axes."""
    dtype = draw(st.sampled_from(NUMBERS))
    inner = tuple(draw(st.lists(st.integers(0, 3), max_size=max_depth)))
    array = draw(arrays(dtype, (rows, *inner)))
    return array, array.tolist(), nested(kind_of(dtype), len(inner))


def write_vlen(group, name, values, dtype):
    array = group.create_dataset(name, (len(values),), h5py.vlen_dtype(np.dtype(dtype)))
    for index, value in enumerate(values):
        array[index] = np.array(value, dtype)


NATIVE = [name for name in NUMBERS if name[0] != ">"]


@given(data=st.data(), rows=st.integers(0, 4), step=st.integers(1, 5))
@settings(max_examples=examples(40), deadline=None)
def test_h5py(data, rows, step):
    names = data.draw(st.lists(NAMES, min_size=4, max_size=6, unique=True))
    expected, refused = {}, [names[3]]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.h5"
        with h5py.File(path, "w") as file:
            group = file.create_group("sample")
            for name in names[4:]:
                array, values, kind = data.draw(number_columns(rows))
                group[name], expected[name] = array, (values, kind)
            texts = data.draw(st.lists(TEXT, min_size=rows, max_size=rows))
            group.create_dataset(names[0], (rows,), h5py.string_dtype())[:] = texts
            fixed = data.draw(st.lists(FIXED_TEXT, min_size=rows, max_size=rows))
            group[names[1]] = np.array([text.encode() for text in fixed], "S16")
            dtype = data.draw(st.sampled_from(NATIVE))
            items = st.lists(numbers(dtype), max_size=3)
            lists = data.draw(st.lists(items, min_size=rows, max_size=rows))
            write_vlen(group, names[2], lists, dtype)
            write_vlen(group, names[3], [[1]] * rows, ">f4")
            group["scalar"], group["null"] = 1.5, h5py.Empty("f4")
            file["other/values"] = np.arange(2)
        expected |= {names[0]: (texts, "text"), names[1]: (fixed, "text")}
        expected |= {names[2]: (lists, [kind_of(dtype)]), names[3]: ([], ["number"])}
        table = check(path, expected, tree="sample", rows=step, refused=refused)
        assert table.entries == rows


@given(data=st.data(), rows=st.integers(0, 4), step=st.integers(1, 5))
@settings(max_examples=examples(40), deadline=None)
def test_structured_arrays(data, rows, step):
    types = data.draw(st.lists(st.sampled_from(NUMBERS), min_size=2, max_size=4))
    shapes = data.draw(
        st.lists(st.sampled_from([(), (2,)]), min_size=len(types), max_size=len(types))
    )
    fields = [(f"f{k}", *one) for k, one in enumerate(zip(types, shapes, strict=True))]
    inner = [("x", "f4"), ("s", "S4")]
    jets = np.zeros(rows, [*fields, ("n", inner)])
    tracks = np.zeros((rows, 3), [("pt", types[0]), ("valid", "?")])
    expected = {}
    for name, dtype, shape in fields:
        jets[name] = data.draw(arrays(dtype, (rows, *shape)))
        expected[f"jets_{name}"] = (jets[name].tolist(), nested(kind_of(dtype), len(shape)))
    jets["n"]["x"] = 1.5
    tracks["pt"] = data.draw(arrays(types[0], (rows, 3)))
    tracks["valid"] = data.draw(arrays("?", (rows, 3)))
    kept = [row["pt"][row["valid"]].tolist() for row in tracks]
    expected |= {"jets_n_x": ([1.5] * rows, "number"), "jets_n_s": ([""] * rows, "text")}
    expected["tracks_pt"] = (kept, [kind_of(types[0])])
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.h5"
        with h5py.File(path, "w") as file:
            file["jets"], file["tracks"] = jets, tracks
        check(path, expected, rows=step)


PANDAS = ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f2", "f4", "f8", "?"]


@st.composite
def frames(draw, names, rows):
    columns, expected = {}, {}
    for name in names:
        dtype = draw(st.sampled_from(PANDAS))
        values = draw(arrays(dtype, (rows,)))
        columns[name], expected[name] = values, (values.tolist(), kind_of(dtype))
    return pd.DataFrame(columns), expected


def write_frame(frame, path, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        frame.to_hdf(path, key="df", **options)


@given(data=st.data(), rows=st.integers(0, 4), step=st.integers(1, 5), named=st.booleans())
@settings(max_examples=examples(40), deadline=None)
def test_pandas_fixed(data, rows, step, named):
    names = data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    frame, expected = data.draw(frames(names, rows))
    if named:
        levels = [np.arange(rows) // 2, np.arange(rows) % 2]
        frame.index = pd.MultiIndex.from_arrays(levels, names=["entry 1", "sub 1"])
        expected |= {"entry 1": (levels[0].tolist(), "number")}
        expected |= {"sub 1": (levels[1].tolist(), "number")}
    frame["when"] = pd.to_timedelta([1] * rows)
    with tempfile.TemporaryDirectory() as folder:
        write_frame(frame, Path(folder) / "t.h5")
        expected["when"] = ([], "number")
        table = check(Path(folder) / "t.h5", expected, rows=step, refused=["when"])
        assert table.entries == rows


@given(data=st.data(), rows=st.integers(1, 4), step=st.integers(1, 5), alone=st.booleans())
@settings(max_examples=examples(40), deadline=None)
def test_pandas_table(data, rows, step, alone):
    names = data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True))
    frame, expected = data.draw(frames(names, rows))
    words = st.lists(
        st.one_of(st.none(), FIXED_TEXT.map("x{}".format)), min_size=rows, max_size=rows
    )
    # pandas writes a column without any text as numbers.
    texts = ["a", *data.draw(words)[1:]]
    kinds = data.draw(words)
    frame["Text"], expected["Text"] = texts, (texts, "text")
    frame["Kind"], expected["Kind"] = pd.Categorical(kinds), (kinds, "text")
    levels = [None if value is None else float(len(value)) for value in kinds]
    frame["Level"], expected["Level"] = pd.Categorical(levels), (levels, "number")
    if not any(kinds):
        frame, expected = frame.drop(columns=["Kind", "Level"]), dict(list(expected.items())[:-2])
    with tempfile.TemporaryDirectory() as folder:
        write_frame(
            frame, Path(folder) / "t.h5", format="table", data_columns=alone or None, index=False
        )
        check(Path(folder) / "t.h5", expected, rows=step)


@given(data=st.data(), rows=st.integers(0, 4), step=st.integers(1, 5))
@settings(max_examples=examples(40), deadline=None)
def test_pytables(data, rows, step):
    types = data.draw(st.lists(st.sampled_from(PANDAS), min_size=2, max_size=4))
    shapes = data.draw(
        st.lists(st.sampled_from([(), (2,)]), min_size=len(types), max_size=len(types))
    )
    fields = [(f"f{k}", *one) for k, one in enumerate(zip(types, shapes, strict=True))]
    events = np.zeros(rows, [*fields, ("s", "S5"), ("n", [("x", "i2")])])
    expected = {"s": (["ab"] * rows, "text"), "n_x": ([-3] * rows, "number")}
    events["s"], events["n"]["x"] = b"ab", -3
    for name, dtype, shape in fields:
        events[name] = data.draw(arrays(dtype, (rows, *shape)))
        expected[name] = (events[name].tolist(), nested(kind_of(dtype), len(shape)))
    lists = data.draw(st.lists(st.lists(numbers(types[0]), max_size=3), min_size=1, max_size=4))
    texts = data.draw(st.lists(TEXT, min_size=len(lists), max_size=len(lists)))
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "t.h5"
        with pytables.open_file(path, "w") as file:
            file.create_table("/", "events", events)
            group = file.create_group("/", "lists")
            found = file.create_vlarray(group, "v", pytables.Atom.from_dtype(np.dtype(types[0])))
            for value in lists:
                found.append(np.array(value, types[0]))
            found = file.create_vlarray(group, "t", pytables.VLUnicodeAtom())
            for text in texts:
                found.append(text)
            file.create_vlarray(group, "o", pytables.ObjectAtom())
            for _ in lists:
                group.o.append({})
        check(path, expected, tree="events", rows=step)
        columns = {"v": (lists, [kind_of(types[0])]), "t": (texts, "text"), "o": ([], "text")}
        check(path, columns, tree="lists", rows=step, refused=["o"])
