"""Expressions against plain Python: NaN, missing values, empty lists, integers at the limits."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from bunchtrain.tables.expressions.expression import evaluate
from tests.property_settings import examples

pytestmark = pytest.mark.property

NAN = math.nan


class Inexact(Exception):
    """An integer that became a float inside an expression: what follows is not exact."""


@dataclass(frozen=True)
class Term:
    """An expression and the same in Python, a function of the rows of a block."""

    text: str
    value: Callable[[list[dict[str, Any]]], list[Any]]


def narrow(value: Any) -> Any:
    fits = not isinstance(value, int) or -(2**63) <= value < 2**64
    return value if fits else float(value)


def fits_together(values: list[Any]) -> bool:
    integers = [one for one in values if isinstance(one, int)]
    return not integers or not (min(integers) < 0 and max(integers) >= 2**63)


def real(value: Any) -> float:
    return NAN if value is None else float(value)


def elementwise(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a function of integers (None if one is missing), or else of floats."""

    def apply(*values: Any) -> Any:
        if all(one is None or isinstance(one, int) for one in values):
            return None if None in values else narrow(function(*map(int, values)))
        return function(*map(real, values))

    return apply


def ratio(a: Any, b: Any) -> Any:
    with np.errstate(all="ignore"):
        return float(np.float64(real(a)) / np.float64(real(b)))


def quotient(a: Any, b: Any) -> Any:
    return ratio(a, b) if b == 0 else a // b


def remainder(a: Any, b: Any) -> Any:
    return NAN if b == 0 else a % b


def larger(a: Any, b: Any) -> Any:
    return NAN if a != a or b != b else max(a, b)


def smaller(a: Any, b: Any) -> Any:
    return NAN if a != a or b != b else min(a, b)


BINARY = {
    "({} + {})": elementwise(lambda a, b: a + b),
    "({} - {})": elementwise(lambda a, b: a - b),
    "({} * {})": elementwise(lambda a, b: a * b),
    "({} // {})": elementwise(quotient),
    "({} % {})": elementwise(remainder),
    "({} / {})": ratio,
    "max({}, {})": elementwise(larger),
    "min({}, {})": elementwise(smaller),
}
UNARY = {
    "(-{})": elementwise(lambda a: -a),
    "abs({})": elementwise(abs),
    "(+{})": elementwise(lambda a: a),
    "sqrt({})": lambda a: NAN if real(a) != real(a) or real(a) < 0 else math.sqrt(real(a)),
}
COMPARE = {
    "({} < {})": lambda a, b: a < b,
    "({} >= {})": lambda a, b: a >= b,
    "({} == {})": lambda a, b: a == b,
    "({} != {})": lambda a, b: a != b,
}


def compared(function: Callable[[Any, Any], bool], a: Any, b: Any) -> bool:
    if isinstance(a, int) and isinstance(b, int):
        return function(a, b)
    return function(real(a), real(b))


def without_nan(values: list[Any]) -> list[Any]:
    return [one for one in values if one == one]


def sum_of(values: list[Any]) -> Any:
    if all(isinstance(one, int) for one in values):
        return narrow(sum(values))
    bad = [one for one in values if not math.isfinite(one)]
    return sum(bad) if bad else math.fsum(values)


def position_of(best: Callable[..., Any], values: list[Any]) -> int:
    kept = without_nan(values)
    return values.index(best(kept)) if kept else -1


def decreasing(values: list[Any]) -> list[Any]:
    kept = without_nan(values)
    return sorted(kept, reverse=True) + [NAN] * (len(values) - len(kept))


def item(values: list[Any], k: int) -> Any:
    found = values[k] if -len(values) <= k < len(values) else None
    return NAN if found is None and not all(isinstance(v, int) for v in values) else found


REDUCTIONS = {
    "sum({})": sum_of,
    "mean({})": lambda v: ratio(real(sum_of(v)), len(v)) if v else NAN,
    "max({})": lambda v: max(without_nan(v), default=None),
    "min({})": lambda v: min(without_nan(v), default=None),
    "count({})": len,
    "argmax({})": lambda v: position_of(max, v),
    "argmin({})": lambda v: position_of(min, v),
    "first({})": lambda v: item(v, 0),
    "{}[1]": lambda v: item(v, 1),
    "{}[-1]": lambda v: item(v, -1),
    "{0}[argmax({0})]": lambda v: max(without_nan(v), default=None),
    "count({0}[{0} > 0])": lambda v: sum(one > 0 for one in v),
    "any({} > 0)": lambda v: any(one > 0 for one in v),
    "all({} > 0)": lambda v: all(one > 0 for one in v),
}
LISTS = {
    "{}": lambda v: v,
    "sort({})": decreasing,
    "{}[:2]": lambda v: v[:2],
    "take({}, 1)": lambda v: v[:1],
    "{0}[{0} > 0]": lambda v: [one for one in v if one > 0],
    "(-{})": lambda v: [UNARY["(-{})"](one) for one in v],
}

INT64 = st.integers(-9, 9) | st.integers(-(2**63), 2**63 - 1) | st.sampled_from(
    [0, 1, -1, 2**53 + 1, 2**63 - 1, -(2**63)]
)  # fmt: skip
UINT64 = st.integers(0, 9) | st.integers(0, 2**64 - 1) | st.sampled_from([2**63, 2**64 - 1])
FLOAT = st.floats(-1e6, 1e6, width=32) | st.sampled_from([0.0, NAN, math.inf, -math.inf, 1e300])
COLUMNS = {"i": INT64, "u": UINT64, "f": FLOAT}
JAGGED = {
    "I": st.lists(INT64, max_size=4),
    "U": st.lists(UINT64, max_size=4),
    "F": st.lists(FLOAT | st.none(), max_size=4),
    "S": st.lists(st.floats(-100, 100, width=32), max_size=40),
}
TYPES = {
    "i": np.int64,
    "u": np.uint64,
    "f": np.float64,
    "I": np.int64,
    "U": np.uint64,
    "S": np.float32,
}


def column(name: str) -> Term:
    return Term(name, lambda rows: [row[name] for row in rows])


def literal(value: Any) -> Term:
    text = f"({value})" if value < 0 else str(value)
    return Term(text, lambda rows: [value] * len(rows))


def of_lists(term: Term, form: str, function: Callable[..., Any]) -> Term:
    """Apply the function to each list; raise Inexact if integers of the block became floats."""

    def value(rows: list[dict[str, Any]]) -> list[Any]:
        lists = term.value(rows)
        results = [function(v) for v in lists]
        if form in ("(-{})", "sum({})"):
            given_, found = (
                [one for v in values for one in (v if isinstance(v, list) else [v])]
                for values in (lists, results)
            )
            integers = bool(given_) and all(isinstance(one, int) for one in given_)
            if integers and any(isinstance(one, float) for one in found):
                raise Inexact
            if not fits_together(found):
                raise Inexact
        # The sum of an empty list of floats is 0.0, whose negative is −0.0.
        is_real = form == "sum({})" and {"F", "S"} & set(term.text)
        return [float(one) for one in results] if is_real else results

    return Term(form.format(term.text), value)


JAGGED_TERM = st.builds(
    lambda name, form: of_lists(column(name), form, LISTS[form]),
    st.sampled_from(sorted(JAGGED)),
    st.sampled_from(sorted(LISTS)),
)
# float32 columns are computed in single precision, except for their sums and means
DOUBLE_TERM = JAGGED_TERM.filter(lambda term: "S" not in term.text)
ATOM = (
    st.sampled_from([column(name) for name in COLUMNS])
    | st.builds(literal, INT64 | UINT64 | st.floats(-100, 100))
    | st.builds(
        lambda term, form: of_lists(term, form, REDUCTIONS[form]),
        DOUBLE_TERM,
        st.sampled_from(sorted(set(REDUCTIONS) - {"any({} > 0)", "all({} > 0)"})),
    )
)


def exactly(values: list[list[Any]], results: list[Any]) -> list[Any]:
    """Return the results, or raise Inexact if integers gave a float."""
    for given_, result in zip(zip(*values, strict=True), results, strict=True):
        integers = all(one is None or isinstance(one, int) for one in given_)
        if integers and isinstance(result, float):
            raise Inexact
    if not fits_together(results):
        raise Inexact
    return results


def combined(inner: st.SearchStrategy[Term]) -> st.SearchStrategy[Term]:
    def binary(form: str, a: Term, b: Term) -> Term:
        def value(rows: list[dict[str, Any]]) -> list[Any]:
            left, right = a.value(rows), b.value(rows)
            found = [BINARY[form](x, y) for x, y in zip(left, right, strict=True)]
            return found if form == "({} / {})" else exactly([left, right], found)

        return Term(form.format(a.text, b.text), value)

    def unary(form: str, a: Term) -> Term:
        def value(rows: list[dict[str, Any]]) -> list[Any]:
            given_ = a.value(rows)
            found = [UNARY[form](x) for x in given_]
            return found if form == "sqrt({})" else exactly([given_], found)

        return Term(form.format(a.text), value)

    def where(compare: str, a: Term, b: Term, c: Term) -> Term:
        def value(rows: list[dict[str, Any]]) -> list[Any]:
            left, right, other = a.value(rows), b.value(rows), c.value(rows)
            if not fits_together(right + other):
                raise Inexact
            chosen = [compared(COMPARE[compare], *pair) for pair in zip(left, right, strict=True)]
            is_real = any(isinstance(one, float) for one in right + other)
            found = [x if yes else y for yes, x, y in zip(chosen, right, other, strict=True)]
            return [real(one) for one in found] if is_real else found

        return Term(
            f"where({compare.format(a.text, b.text)}, {b.text}, {c.text})",
            value,
        )

    return (
        st.builds(binary, st.sampled_from(sorted(BINARY)), inner, inner)
        | st.builds(unary, st.sampled_from(sorted(UNARY)), inner)
        | st.builds(where, st.sampled_from(sorted(COMPARE)), inner, inner, inner)
    )


NUMBER = st.recursive(ATOM, combined, max_leaves=4)
ROW = st.fixed_dictionaries({**COLUMNS, **JAGGED})


def block(rows: list[dict[str, Any]]) -> ak.Array:
    columns = {name: np.array([row[name] for row in rows], TYPES[name]) for name in COLUMNS}
    for name in JAGGED:
        lists = [row[name] for row in rows]
        flat = [one for values in lists for one in values]
        content = flat if name == "F" else np.array(flat, TYPES[name])
        columns[name] = ak.unflatten(ak.Array(content), [len(values) for values in lists])
    return ak.zip(columns, depth_limit=1)


def without_none(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{**row, "F": [real(one) for one in row["F"]]} for row in rows]


def reference(term: Term, rows: list[dict[str, Any]]) -> list[Any]:
    """Return what Python gives; leave the example out where integers became floats."""
    try:
        return term.value(without_none(rows))
    except Inexact:
        assume(False)
        raise


def agree(found: Any, wanted: Any, scale: float = 0.0) -> bool:
    if isinstance(wanted, list):
        pairs = zip(found, wanted, strict=False)
        return len(found) == len(wanted) and all(agree(x, y, scale) for x, y in pairs)
    wanted = NAN if wanted is None else wanted
    if isinstance(wanted, int) and isinstance(found, int):
        return found == wanted
    if wanted != wanted or found != found:
        return wanted != wanted and found != found
    if isinstance(wanted, int) and abs(wanted) <= 2**53:
        return found == wanted
    return math.isclose(found, wanted, rel_tol=1e-12, abs_tol=1e-12 * scale)


@settings(max_examples=examples(50), deadline=None)
@given(NUMBER, st.lists(ROW, min_size=1, max_size=4))
def test_numbers_agree_with_python(term: Term, rows: list[dict[str, Any]]) -> None:
    plain, wanted = without_none(rows), reference(term, rows)
    size = max((abs(x) for row in plain for x in [*row["S"], *row["F"]] if abs(x) < 1e9), default=0)
    found = evaluate(term.text, block(rows)).tolist()
    assert agree(found, wanted, 100 * size), (term.text, found, wanted)


@settings(max_examples=examples(50), deadline=None)
@given(st.data(), st.lists(ROW, min_size=1, max_size=4))
def test_one_operation_agrees_with_python(data: st.DataObject, rows: list[dict[str, Any]]) -> None:
    """Results beyond 64 bits are compared here, where nothing follows them."""
    form = data.draw(st.sampled_from(sorted(BINARY)))
    names = [data.draw(st.sampled_from(sorted(COLUMNS))) for _ in range(2)]
    wanted = [BINARY[form](*(row[name] for name in names)) for row in rows]
    found = evaluate(form.format(*names), block(rows)).tolist()
    assert agree(found, wanted), (form, found, wanted)


@settings(max_examples=examples(50), deadline=None)
@given(JAGGED_TERM, st.sampled_from(sorted(REDUCTIONS)), st.lists(ROW, min_size=1, max_size=4))
def test_reductions_agree_with_python(term: Term, form: str, rows: list[dict[str, Any]]) -> None:
    lists = reference(term, rows)
    wanted = [REDUCTIONS[form](values) for values in lists]
    finite = [abs(x) for values in lists for x in values if math.isfinite(x)]
    found = evaluate(form.format(term.text), block(rows)).tolist()
    assert agree(found, wanted, sum(finite) if form[:3] in ("sum", "mea") else 0.0), (
        form,
        term.text,
        found,
        wanted,
    )


@settings(max_examples=examples(50), deadline=None)
@given(JAGGED_TERM, st.lists(ROW, min_size=1, max_size=4))
def test_lists_agree_with_python(term: Term, rows: list[dict[str, Any]]) -> None:
    wanted = reference(term, rows)
    assert agree(evaluate(term.text, block(rows)).tolist(), wanted), (term.text, wanted)


@settings(max_examples=examples(50), deadline=None)
@given(st.sampled_from(sorted(COMPARE)), st.data(), st.lists(ROW, min_size=1, max_size=4))
def test_comparisons_agree_with_python(
    form: str, data: st.DataObject, rows: list[dict[str, Any]]
) -> None:
    a, b = data.draw(ATOM), data.draw(ATOM)
    pairs = zip(reference(a, rows), reference(b, rows), strict=True)
    wanted = [compared(COMPARE[form], x, y) for x, y in pairs]
    found = evaluate(form.format(a.text, b.text), block(rows)).tolist()
    assert found == wanted, (form, a.text, b.text)


@settings(max_examples=examples(50), deadline=None)
@given(st.lists(st.tuples(INT64, UINT64, FLOAT), min_size=1, max_size=4), st.data())
def test_membership_agrees_with_python(rows: list[Any], data: st.DataObject) -> None:
    values = data.draw(st.lists(INT64 | UINT64, min_size=1, max_size=5))
    listed = [*values, rows[0][0], rows[0][1]]
    events = ak.zip(
        {
            "i": np.array([row[0] for row in rows], np.int64),
            "u": np.array([row[1] for row in rows], np.uint64),
        }
    )
    for name, k in (("i", 0), ("u", 1)):
        found = evaluate(f"{name} in [{', '.join(map(str, listed))}]", events).tolist()
        assert found == [row[k] in listed for row in rows]
