"""NPZ files of numpy are read with the values they hold."""

import tempfile
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples
from reading_back import check
from test_reader_properties_hdf5 import NAMES, NUMBERS, arrays, kind_of, nested, number_columns

pytestmark = pytest.mark.property

WORDS = st.text(st.characters(exclude_categories=("Cs",), exclude_characters="\0"), max_size=4)


def save(folder, compress, arrays):
    path = Path(folder) / "t.npz"
    (np.savez_compressed if compress else np.savez)(path, **arrays)
    return path


@given(data=st.data(), rows=st.integers(0, 4), step=st.integers(1, 5), compress=st.booleans())
@settings(max_examples=examples(100), deadline=None)
def test_arrays_of_events(data, rows, step, compress):
    columns, expected = {}, {}
    for name in data.draw(st.lists(NAMES, min_size=1, max_size=4, unique=True)):
        columns[name], values, kind = data.draw(number_columns(rows))
        expected[name] = (values, kind)
    dtype = data.draw(st.sampled_from(NUMBERS))
    record = np.zeros(rows, [("pté", dtype), ("s", "S3"), ("v", ">i2", (2,))])
    record["pté"], record["s"] = data.draw(arrays(dtype, (rows,))), b"ab"
    words = data.draw(st.lists(WORDS, min_size=rows, max_size=rows))
    columns |= {"R": record, "W": np.array(words, "U4")}
    columns |= {"O": np.array([{}] * rows, object), "C": np.zeros(rows, complex)}
    expected |= {"R_pté": (record["pté"].tolist(), kind_of(dtype)), "W": (words, "text")}
    expected |= {"R_s": (["ab"] * rows, "text"), "R_v": ([[0, 0]] * rows, ["number"])}
    expected |= dict.fromkeys("OC", ([], "number"))
    with tempfile.TemporaryDirectory() as folder:
        check(save(folder, compress, columns), expected, rows=step, refused="OC")


@given(data=st.data(), step=st.integers(1, 5), compress=st.booleans(), named=st.booleans())
@settings(max_examples=examples(100), deadline=None)
def test_flat_arrays_with_offsets(data, step, compress, named):
    counts = data.draw(st.lists(st.integers(0, 3), max_size=4))
    offsets, items, rows = np.cumsum([0, *counts]), sum(counts), len(counts)
    dtype = data.draw(st.sampled_from(NUMBERS))
    flat, label = data.draw(arrays(dtype, (items,))), data.draw(arrays(dtype, (rows,)))
    vectors = data.draw(arrays("<f4", (items, 2)))
    columns = {"jet_offsets" if named else "offsets": offsets, "label": label}
    columns |= {"jet_pt": flat, "jet_p": vectors}
    lists = [flat[low:high].tolist() for low, high in pairwise(offsets)]
    expected = {"jet_pt": (lists, [kind_of(dtype)]), "label": (label.tolist(), kind_of(dtype))}
    for index in (0, 1):
        parts = [vectors[a:b, index].tolist() for a, b in pairwise(offsets)]
        expected[f"jet_p_{index}"] = (parts, ["number"])
    # As many items as events: only the names tell which array is of which.
    ambiguous = ["jet_pt", "label"] if items == rows and not named else []
    if not rows:
        expected = {name: (values, kind) for name, (values, kind) in expected.items()}
        ambiguous = []
    with tempfile.TemporaryDirectory() as folder:
        check(save(folder, compress, columns), expected, rows=step, refused=ambiguous)


@given(dtype=st.sampled_from(NUMBERS), data=st.data())
@settings(max_examples=examples(20), deadline=None)
def test_fortran_order_with_many_columns(dtype, data):
    array = np.asfortranarray(np.resize(data.draw(arrays(dtype, (7,))), (3, 9, 10)))
    with tempfile.TemporaryDirectory() as folder:
        expected = {"x": (array.tolist(), nested(kind_of(dtype), 2))}
        check(save(folder, True, {"x": array}), expected, rows=2)


def test_one_list_with_as_many_items_as_events(tmp_path):
    columns = {"offsets": np.array([0, 2, 2, 3]), "pt": np.array([1.0, 2.0, 3.0])}
    check(save(tmp_path, False, columns), {"pt": ([[1.0, 2.0], [], [3.0]], ["number"])})
