"""Random samples of rows, and injected signals."""

import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from property_settings import examples

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.tables.arrays import Arrays
from bunchtrain.transforms import _drawn_rows
from bunchtrain.transforms._drawn_rows import DrawnRows

POOL = Arrays({"x": np.arange(1000.0), "n": np.arange(1000), "hit_e": [[1.0], []] * 500})
SIGNAL = Arrays({"x": -1 - np.arange(50.0), "n": np.arange(50), "hit_e": [[2.0]] * 50})


def sample(source=POOL, block=137, columns=("x", "source_entry"), name="resample", **options):
    given_tables = source if isinstance(source, tuple) else (source,)
    made = parts.build("transform", name, options, *given_tables)
    blocks = list(made.blocks(columns, block))
    assert all(len(one) <= block for one in blocks)
    return ak.concatenate(blocks)


@pytest.mark.property
@settings(deadline=None, max_examples=examples(20))
@given(st.integers(1, 400), st.integers(0, 5), st.sampled_from(["bootstrap", "subsample"]))
def test_samples_do_not_depend_on_the_size_of_blocks(rows, seed, method):
    options = {"method": method, "rows": 300, "seed": seed}
    whole, small = sample(block=5000, **options), sample(block=rows, **options)
    assert whole.tolist() == small.tolist()
    assert len(whole) == 300
    assert whole.x.tolist() == whole.source_entry.tolist()
    if method == "subsample":
        assert len(set(whole.x.tolist())) == 300


def test_a_subsample_and_its_complement_are_all_rows():
    options = {"method": "subsample", "expected": 300, "seed": 3}
    both = [sample(complement=one, **options).x.tolist() for one in (False, True)]
    assert sorted(both[0] + both[1]) == list(range(1000))
    assert len(both[0]) != 300


def test_counts_are_multinomial_poisson_and_uniform_over_chunks(monkeypatch):
    monkeypatch.setattr(_drawn_rows, "CHUNK", 100)
    made = [DrawnRows(1000, 1000, s, replacement=True).counts(0, 1000) for s in range(400)]
    assert all(one.sum() == 1000 for one in made)
    assert np.var(made, axis=0).mean() == pytest.approx(0.999, rel=0.02)
    drawn = [DrawnRows(1000, 250, s, replacement=False).counts(0, 1000) for s in range(400)]
    assert np.mean(drawn, axis=0).std() == pytest.approx(np.sqrt(0.25 * 0.75 / 400), rel=0.15)
    sizes = [len(sample(method="poisson", expected=50, seed=s)) for s in range(300)]
    assert np.mean(sizes) == pytest.approx(50, abs=4 * np.sqrt(50 / 300))
    assert np.var(sizes) == pytest.approx(50, rel=0.35)


def test_injected_rows_follow_those_of_the_table():
    columns = ("x", "is_injected", "hit_e")
    made = sample((POOL, SIGNAL), columns=columns, name="inject", number=20, seed=2)
    assert made.is_injected.tolist() == [0] * 1000 + [1] * 20
    signal = made.x[1000:].tolist()
    assert len(set(signal)) == 20
    assert max(signal) < 0
    assert made.hit_e[-1].tolist() == [2.0]
    again = sample((POOL, SIGNAL), block=11, columns=columns, name="inject", number=20, seed=2)
    assert again.tolist() == made.tolist()
    none = sample((POOL, SIGNAL), columns=columns, name="inject", number=0)
    assert len(none) == 1000


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"method": "poisson"}, "method 'poisson': give 'expected', the mean number of rows"),
        ({"expected": 3}, "'expected' belongs to poisson and subsample; give 'rows'"),
        ({"method": "subsample"}, "give either 'rows' or 'expected'"),
        ({"complement": True}, "'complement' belongs to subsample"),
        ({"method": "subsample", "rows": 1001}, "1,001 rows cannot be drawn from 1,000; draw"),
        ({"name": "inject"}, "'inject': give either 'number' or 'expected'"),
        ({"name": "inject", "number": 51}, "51 rows cannot be drawn from 50"),
    ],
)
def test_samples_that_cannot_be_drawn(options, message):
    tables = (POOL, SIGNAL) if "name" in options else POOL
    with pytest.raises((StudyError, DataError), match=message):
        sample(tables, columns=("x",), **options)


def test_a_signal_has_the_columns_of_the_background():
    with pytest.raises(DataError, match="the signal has no column 'hit_e'; did you mean 'hit_E'"):
        sample((POOL, Arrays({"x": [1.0], "n": [1], "hit_E": [[1.0]]})), name="inject", number=1)


def test_selected_rows():
    made = sample(columns=("x", "hit_e"), name="select", where="x >= 990 and n % 2 == 0")
    assert made.x.tolist() == [990, 992, 994, 996, 998]
    assert made.hit_e.tolist() == [[1]] * 5
    with pytest.raises(DataError, match="where: there is no column 'y'"):
        sample(name="select", where="y > 0")


def test_rows_selected_by_a_named_number():
    window = {"name": "select", "where": "abs(x - centre) < 2"}
    assert sample(columns=["x"], **window, constants={"centre": 10}).x.tolist() == [9, 10, 11]
    for constants, message in (
        ({"center": 10}, "there is no 'center' in 'where'; did you mean 'centre'"),
        ({"centre": 10, "n": 1}, "constants: 'n' is a column"),
    ):
        with pytest.raises((DataError, StudyError), match=message):
            sample(**window, constants=constants)
