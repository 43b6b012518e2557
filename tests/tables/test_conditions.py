"""Conditions: look-ups against plain Python, errors, and files beside others."""

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.errors import DataError, ExpressionError, StudyError
from bunchtrain.tables import arrays
from bunchtrain.tables.arrays import Arrays
from bunchtrain.tables.expressions.expression import Expression, evaluate
from bunchtrain.tables.reading import open_table
from bunchtrain.tables.sources.concatenate import Concatenate
from bunchtrain.tables.sources.files import Files
from bunchtrain.tables.transforms.conditions import Condition, WithConditions, write_conditions
from bunchtrain.tables.transforms.object_rows import ObjectRows
from tests.property_settings import examples

GEOMETRY = Arrays(
    {"sensor": [7, 3, 5], "x": [0.5, 1.5, 2.5], "name": ["a", "b", "c"], "n": [1, 2, 3]}
)
LUMINOSITY = Arrays({"run": [1, 1, 2], "era": ["a", "b", "a"], "recorded": [10.0, 20.0, 30.0]})
EVENTS = Arrays(
    ak.Array(
        {
            "run": [1, 2, 1],
            "era": ["b", "a", "a"],
            "first": [7, 5, 3],
            "hit_sensor": [[7, 5], [], [3]],
            "hit_time": [[0.1, 0.2], [], [0.3]],
            "deep": [[[3], [5, 7]], [], [[]]],
        }
    )
)


@pytest.fixture
def block():
    conditions = [
        Condition("geometry", GEOMETRY, ["sensor"]),
        Condition("maybe", GEOMETRY, ["sensor"], "nan"),
        Condition("luminosity", LUMINOSITY, ["run", "era"]),
    ]
    table = WithConditions(EVENTS, conditions)
    return next(table.blocks(list(table.fields()), 10))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("geometry.x[first]", [0.5, 2.5, 1.5]),
        ("geometry.x[hit_sensor]", [[0.5, 2.5], [], [1.5]]),
        ("geometry.x[deep]", [[[1.5], [2.5, 0.5]], [], [[]]]),
        ("geometry.name[hit_sensor] == 'a'", [[True, False], [], [False]]),
        ("geometry.n[first] + 1", [2, 4, 3]),
        ("geometry.x[7]", [0.5, 0.5, 0.5]),
        ("sum(geometry.x[hit_sensor])", [3.0, 0.0, 1.5]),
        ("geometry.x[hit_sensor][0]", [0.5, None, 1.5]),
        ("column('geometry.x')[first]", [0.5, 2.5, 1.5]),
        ("luminosity.recorded[run, era]", [20.0, 30.0, 10.0]),
        ("luminosity.recorded[1, 'b']", [20.0, 20.0, 20.0]),
        ("maybe.x[first + 2]", [None, 0.5, 2.5]),
        ("maybe.n[hit_sensor - 2]", [[3.0, 2.0], [], [None]]),
        ("maybe.name[first + 2] == ''", [True, False, False]),
    ],
)
def test_values_are_looked_up(block, text, expected):
    assert plain(evaluate(text, block).tolist()) == expected


def plain(value):
    """Return lists of values in which NaN is None."""
    if isinstance(value, list):
        return [plain(one) for one in value]
    return None if value != value else value


@pytest.mark.parametrize(
    ("text", "error", "message"),
    [
        ("geometry.x[hit_sensor + 1]", DataError, "conditions.geometry has no row with sensor 8, "),
        ("luminosity.recorded[run, 'c']", DataError, "no row with run 1, era c, which entry 0"),
        ("geometry.x > 1", ExpressionError, r"'geometry.x' has a value for each key; write geom"),
        ("luminosity.recorded[run]", ExpressionError, "has the key run, era; give 2 values in"),
        ("geometry.x[era]", ExpressionError, "the key 'sensor' of 'geometry' is numbers, and te"),
        ("geometry.x[1:2]", ExpressionError, "looked up by keys, not by a slice"),
        ("geometri.x[first]", DataError, "did you mean 'geometry.x'"),
        ("luminosity.recorded[deep, era]", DataError, "no row with run 3, era b, which entry 0"),
        ("luminosity.recorded[deep, hit_sensor]", ExpressionError, "lists of different lengths"),
    ],
)
def test_errors_of_look_ups(block, text, error, message):
    with pytest.raises(error, match=message) as raised:
        evaluate(text, block)
    assert len(str(raised.value)) <= 400


def test_an_unknown_key_names_the_entry_after_a_selection():
    table = WithConditions(EVENTS, [Condition("geometry", GEOMETRY, ["sensor"])])
    blocks = list(table.blocks(["first", "geometry.x"], 2))
    assert [len(one) for one in blocks] == [2, 1]
    with pytest.raises(DataError, match="no row with sensor 4, which entry 2 needs; add it"):
        Expression("geometry.x[first + 1]")(blocks[1][np.array([True])])
    assert len(Expression("geometry.x[first]")(blocks[0][np.array([False, False])])) == 0


KEYS = st.one_of(st.integers(-(2**62), 2**62), st.integers(-3, 3))


@pytest.mark.property
@settings(max_examples=examples(100), deadline=None)
@given(
    table=st.dictionaries(
        st.tuples(KEYS, st.text("ab", max_size=2)), st.floats(allow_nan=False), min_size=1
    ),
    draw=st.data(),
)
def test_look_ups_equal_a_dictionary(table, draw):
    """Any table with an integer and a text as its key, and lists of keys of which some are none."""
    keys = st.one_of(st.sampled_from(sorted(table)), st.tuples(KEYS, st.text("abc", max_size=2)))
    rows = draw.draw(st.lists(st.lists(keys, max_size=4), min_size=1, max_size=5))
    first, second = zip(*table, strict=True)
    small = Arrays(
        {"i": np.array(first), "t": list(second), "v": np.array(list(table.values()), float)}
    )
    empty = ak.Array([[(0, "")]])[:, :0]
    lists = ak.concatenate([ak.Array([row]) if row else empty for row in rows])
    events = ak.Array({"i": lists["0"], "t": lists["1"]})
    conditions = [Condition("small", small, ["i", "t"], "nan")]
    made = WithConditions(Arrays(events), conditions)
    found = evaluate("small.v[i, t]", next(made.blocks(["i", "t", "small.v"], 100)))
    expected = [[table.get(key, np.nan) for key in row] for row in rows]
    assert ak.num(found).tolist() == [len(row) for row in rows]
    np.testing.assert_array_equal(
        ak.flatten(found), np.array([one for row in expected for one in row])
    )


@pytest.mark.parametrize(
    ("table", "key", "error", "message"),
    [
        (GEOMETRY, ["senso"], StudyError, r"conditions.g.key: .* no column 'senso'; did you mean"),
        (GEOMETRY, [], StudyError, "conditions.g.key: give 1 to 3 columns; n, name, sensor, x"),
        (GEOMETRY, ["x"], DataError, "conditions.g.key: 'x' must have integers or texts, not fl"),
        (LUMINOSITY, ["run"], DataError, "conditions.g: rows 0 and 1 have the same run 1"),
        (Arrays({"k": np.array([], int)}), ["k"], DataError, "conditions.g has no rows"),
    ],
)
def test_errors_of_tables(table, key, error, message):
    with pytest.raises(error, match=message):
        WithConditions(EVENTS, [Condition("g", table, key)])


def test_a_column_with_the_name_of_a_condition_is_an_error():
    events = Arrays({"geometry.x": [1.0], "first": [7]})
    with pytest.raises(StudyError, match=r"the events have a column 'geometry\.x', too; rename it"):
        WithConditions(events, [Condition("geometry", GEOMETRY, ["sensor"])])


def test_conditions_are_part_of_the_fingerprint(tmp_path):
    pq.write_table(pa.table({"first": [7, 3]}), tmp_path / "events.parquet")

    def fingerprint(x, **options):
        pq.write_table(pa.table({"sensor": [7, 3], "x": x}), tmp_path / "geometry.parquet")
        table = Files(files=str(tmp_path / "geometry.parquet"))
        events = Files(files=str(tmp_path / "events.parquet"))
        return WithConditions(events, [Condition("g", table, ["sensor"], **options)]).fingerprint()

    first = fingerprint([1.0, 2.0])
    assert fingerprint([1.0, 2.5]) != first
    assert fingerprint([1.0, 2.5], missing="nan") != fingerprint([1.0, 2.5])


def test_conditions_are_found_beside_a_file(tmp_path):
    pq.write_table(pa.table({"sensor": [7, 3], "x": [10.0, 20.0]}), tmp_path / "source.parquet")
    table = Files(files=str(tmp_path / "source.parquet"), units={"x": "cm"})
    beside = write_conditions(tmp_path / "scores.root", [Condition("geometry", table, ["sensor"])])
    assert beside == {"geometry": "scores.geometry.parquet"}
    found = open_table(str(tmp_path / "scores.geometry.parquet"))
    assert found.metadata.key == ["sensor"]
    again = Files(files=str(tmp_path / "scores.geometry.parquet"))
    assert (again.key_columns, again.units()) == (["sensor"], {"x": "mm"})
    block = next(again.blocks(["sensor", "x"], 10))
    assert (block.sensor.tolist(), block.x.tolist()) == ([7, 3], [100.0, 200.0])


def test_rows_with_conditions_go_back_to_their_events():
    events = ak.Array({"Jet_pt": [[1.0, 2.0], [], [3.0]], "run": [1, 2, 2]})
    luminosity = Condition("g", Arrays({"run": [1, 2], "x": [0.5, 0.7]}), ["run"])
    made = WithConditions(ObjectRows(Arrays(events), "Jet"), [luminosity])
    found = list(made.blocks_of_events(["Jet_pt", "g.x"], 2))
    assert [counts.tolist() for _, counts in found] == [[2, 0], [1]]
    assert [block.Jet_pt.tolist() for block, _ in found] == [[1, 2], [3]]
    back = made.by_event({"double": 2 * found[0][0].Jet_pt}, found[0][1])
    assert back["Jet_double"].tolist() == [[2, 4], []]
    plain = WithConditions(Arrays(events), [luminosity])
    block, counts = next(plain.blocks_of_events(["run"], 3))
    assert counts.tolist() == [1, 1, 1]
    assert plain.by_event({"run": block.run}, counts)["run"].tolist() == [1, 2, 2]


def test_tables_together_keep_the_conditions_that_all_of_them_have():
    """Two tables of one detector; of two detectors it is an error."""

    class Measured(Arrays):
        def __init__(self, x):
            super().__init__({"sensor": [7, 3]})
            self.x = x

        @property
        def conditions(self):
            columns = {"sensor": [7, 3], "x": self.x}
            return {"geometry": arrays.Condition(columns, ["sensor"])} if self.x else {}

    def together(*tables):
        made = object.__new__(Concatenate)
        made.tables = [Measured(x) for x in tables]
        return made.conditions

    assert list(together([1.0, 2.0], [1.0, 2.0])) == ["geometry"]
    assert together([1.0, 2.0], None) == {}
    with pytest.raises(DataError, match="different conditions 'geometry'"):
        together([1.0, 2.0], [1.0, 3.0])
