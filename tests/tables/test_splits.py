import awkward as ak
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.tables.hashing import hash_ids, splitmix64, uniform
from tests.property_settings import examples

NUMBERS = ak.Array({"event": np.arange(1000, 5000) // 2, "ttv": np.arange(4000) % 3})
ENTRIES = np.arange(4000)

every_split = pytest.mark.parametrize(
    "options",
    [
        {"name": "fraction"},
        {"name": "fraction", "key": "event"},
        {"name": "kfold", "folds": 4, "fold": 1, "key": ["event", "ttv"]},
        {"name": "modulo", "key": "event"},
        {"name": "column", "column": "ttv"},
    ],
    ids=str,
)


def make(options):
    return parts.build("split", options["name"], {k: v for k, v in options.items() if k != "name"})


def test_splitmix64_is_the_published_generator():
    # The first outputs of the reference implementation from state 0, which adds the golden ratio.
    state = (np.arange(3, dtype=np.uint64)) * np.uint64(0x9E3779B97F4A7C15)
    assert [hex(value) for value in splitmix64(state)] == [
        "0xe220a8397b1dcdaf",
        "0x6e789e6aa1b965f4",
        "0x6c45d188009454f",
    ]


def test_hashes_for_two_purposes_are_uncorrelated():
    one, two = (uniform(hash_ids(1, purpose, ENTRIES)) for purpose in ("split", "order"))
    assert abs(np.corrcoef(one, two)[0, 1]) < 5 / np.sqrt(len(ENTRIES))


@every_split
@settings(deadline=None)
@given(cut=st.integers(1, 3999), seed=st.integers(0, 2**40))
def test_sets_do_not_depend_on_how_the_file_is_read(options, cut, seed):
    split = make(options)
    whole = split.assign(NUMBERS, ENTRIES, seed)
    pieces = [split.assign(NUMBERS[s], ENTRIES[s], seed) for s in (slice(cut), slice(cut, None))]
    assert whole.dtype == np.int8
    assert set(whole) == {0, 1, 2}
    np.testing.assert_array_equal(whole, np.concatenate(pieces))
    assert set(split.columns()) <= set(NUMBERS.fields)


@settings(deadline=None)
@given(seed=st.integers(0, 2**40))
def test_rows_of_one_event_are_in_one_set(seed):
    split = make({"name": "fraction", "key": "event"})
    sets = split.assign(NUMBERS, ENTRIES, seed)
    np.testing.assert_array_equal(sets[::2], sets[1::2])


@settings(deadline=None)
@given(seed=st.integers(0, 2**40), train=st.floats(0.1, 0.8))
def test_fractions_are_met_within_their_errors(seed, train):
    split = make({"name": "fraction", "train": train, "validation": 0.9 - train, "test": 0.1})
    found = np.bincount(split.assign(NUMBERS, ENTRIES, seed), minlength=3) / 4000
    wanted = np.array([train, 0.9 - train, 0.1])
    assert (abs(found - wanted) < 6 * np.sqrt(wanted * (1 - wanted) / 4000) + 1e-9).all()


@settings(deadline=None)
@given(seed=st.integers(0, 2**40), folds=st.integers(3, 7))
def test_folds_test_and_validate_every_event_once(seed, folds):
    sets = [
        make({"name": "kfold", "folds": folds, "fold": fold}).assign(NUMBERS, ENTRIES, seed)
        for fold in range(folds)
    ]
    for which in (1, 2):
        np.testing.assert_array_equal((np.array(sets) == which).sum(0), 1)


def test_modulo_and_column_assign_by_value():
    modulo = make({"name": "modulo", "key": "event", "modulo": 4, "validation": [1], "test": [3]})
    remainder = ak.to_numpy(NUMBERS.event) % 4
    np.testing.assert_array_equal(
        modulo.assign(NUMBERS, ENTRIES, 1), np.array([0, 1, 0, 2])[remainder]
    )
    words = ak.Array({"set": ["a", "b", "c", "b"]})
    column = make(
        {"name": "column", "column": "set", "train": ["b"], "validation": ["a"], "test": ["c"]}
    )
    assert column.assign(words, np.arange(4), 1).tolist() == [1, 0, 2, 0]


INTEGERS = {
    np.int64: st.integers(-(2**63), 2**63 - 1),
    np.uint64: st.integers(0, 2**64 - 1),
    np.uint8: st.integers(0, 255),
}


@pytest.mark.property
@settings(max_examples=examples(200), deadline=None)
@given(st.data(), st.sampled_from(list(INTEGERS)), st.integers(4, 1000))
def test_sets_of_integers_at_their_limits_are_those_of_python(data, dtype, modulo):
    limits = np.iinfo(dtype)
    values = data.draw(st.lists(INTEGERS[dtype], min_size=1, max_size=5))
    values = [*values, int(limits.min), int(limits.max)]
    events, entries = ak.Array({"n": np.array(values, dtype)}), np.arange(len(values))
    split = make({"name": "modulo", "key": "n", "modulo": modulo, "validation": [0], "test": [3]})
    wanted = [{0: 1, 3: 2}.get(value % modulo, 0) for value in values]
    assert split.assign(events, entries, 1).tolist() == wanted
    others = [value for value in dict.fromkeys(values) if value != values[-1]]
    column = {
        "name": "column",
        "column": "n",
        "train": others,
        "validation": [],
        "test": values[-1:],
    }
    sets = make(column).assign(events, entries, 1)
    assert sets.tolist() == [2 if value == values[-1] else 0 for value in values]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"name": "fraction", "train": 0.9}, "sum to 1"),
        ({"name": "kfold", "folds": 2}, "use 3 or more"),
        ({"name": "kfold", "fold": 5}, "use 0 to 4"),
        ({"name": "modulo", "key": "event", "test": [8]}, "remainder 8 is in both"),
        ({"name": "modulo", "key": "event", "test": [10]}, "10 is not a remainder modulo 10"),
        (
            {"name": "modulo", "key": "event", "modulo": 2, "validation": [0], "test": [1]},
            "training needs at least one remainder",
        ),
        ({"name": "column", "column": "ttv", "test": [1]}, "in two sets"),
    ],
)
def test_contradictory_options_raise(options, message):
    with pytest.raises(StudyError, match=message):
        make(options)


@pytest.mark.parametrize(
    ("options", "events", "message"),
    [
        (
            {"name": "fraction", "key": "x"},
            {"x": [1.0, 2.5]},
            "'x', entry 1: 2.5 is not an integer",
        ),
        ({"name": "fraction", "key": "x"}, {"x": [[1], [2, 3]]}, "'x' identifies events"),
        (
            {"name": "column", "column": "x"},
            {"x": [0, 7]},
            "'x', entry 1: the value 7 is in no set",
        ),
        ({"name": "column", "column": "x", "test": ["t"]}, {"x": [0, 1]}, "list numbers"),
        ({"name": "column", "column": "x"}, {"x": [[1], [2, 3]]}, "not one number or text"),
        ({"name": "modulo", "key": "x"}, {"x": [1.0, np.inf]}, "entry 1: inf is not an integer"),
        ({"name": "modulo", "key": "x"}, {"x": [1e19, 2.0]}, "entry 0: 1e\\+19 is not an integer"),
        ({"name": "fraction", "key": "x"}, {"x": [1.0, np.nan]}, "entry 1: nan is not an integer"),
    ],
)
def test_unusable_columns_raise(options, events, message):
    with pytest.raises(DataError, match=message):
        make(options).assign(ak.Array(events), np.arange(2), 1)


def test_a_time_split_takes_dates():
    limits = {"validation_from": "2024-05-31T12:00", "test_from": "2024-06-01"}
    split = parts.build("split", "time", {"column": "t", **limits})
    moments = ["2024-05-31T11:59:59", "2024-05-31T12:00", "2024-06-01"]
    events = ak.Array({"t": np.array(moments, "datetime64[ns]")})
    assert split.assign(events, np.arange(3), 1).tolist() == [0, 1, 2]
    with pytest.raises(StudyError, match="'2024-13-45' is no time; write it as '2024-05-31'"):
        parts.build("split", "time", {"column": "t", **limits, "test_from": "2024-13-45"})
