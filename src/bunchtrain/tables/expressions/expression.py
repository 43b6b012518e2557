"""Expressions over columns: `max(Jet_pt) > 30 and count(Jet_pt[abs(Jet_eta) < 2.5]) >= 4`.

An expression is parsed by Python's parser and evaluated on arrays; only this grammar is accepted,
and no code is executed.

* columns by name, `MET`, `AnalysisJetsAuxDyn.pt`, or `column("any name")`; numbers, strings, `pi`,
  `inf`, `nan`, `True`, `False`;
* `+ - * / // % **`, `== != < <= > >=` (also chained), `in [1, 2]`, `and or not`, `& | ^ ~`;
* functions of numbers: `log exp sqrt abs sin arctan2 clip(x, low, high) where(condition, a, b)
  min(a, b) max(a, b) isfinite delta_phi` ...; `random(n)` in [0, 1) and `random_normal(n)` are
  hashes of a column, the same in every run; `random(n, 2)` gives other values;
* over the list of an event: `sum mean min max count any all argmax argmin first`; the sum of an
  empty list is 0, its mean, minimum and maximum are NaN, its argmax −1;
* `Jet_pt[0]` the first item, `Jet_pt[-1]` the last, `Jet_pt[argmax(Jet_btag)]` one by an index
  per event: NaN (false, '') if it does not exist; `Jet_pt[:3]` or `take(Jet_pt, 3)`;
  `Jet_pt[Jet_eta < 2]` selects items; `sort(Jet_pt)` or `sort(Jet_eta, Jet_pt)`, largest first;
* four-vectors: `p4(pt, eta, phi, mass)` or `p4(px=…, py=…, pz=…, E=…)`, their sums and
  differences, `.sum()` over a list, their `.px .pt .eta .phi .mass .E .rapidity` ...,
  `deltaR(a, b)`.

* `geometry.x[sensor_id]`, a value of a small table of conditions by its key; with two,
  `luminosity.recorded[run, section]`;
* times are seconds since 1970 in UTC; the difference of two is exact to a nanosecond, and they can
  be compared with texts, `datetime >= "2024-05-31T12:00"`.

Columns with one value per event are broadcast to lists. Integers have 64 bits. 0/0 is
NaN and 1/0 infinity, without a warning; comparisons with NaN are false.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import ExpressionError, shorten
from bunchtrain.tables.column_types import fill_missing, kind
from bunchtrain.tables.expressions.evaluation import Scope
from bunchtrain.tables.expressions.grammar import (
    column_names,
    divides_by_value,
    error_at,
    parse,
)
from bunchtrain.tables.expressions.integers import are_exact_floats, is_integer
from bunchtrain.tables.expressions.times import as_seconds
from bunchtrain.tables.expressions.vectors import PROPERTIES


class Expression:
    """A parsed expression, to be evaluated on blocks of events.

    Raises ExpressionError, with the position, if the text violates the grammar.
    """

    def __init__(self, text: str) -> None:
        self.text = text.strip()
        self._tree = parse(self.text)
        self.columns: set[str] = set(column_names(self._tree))
        self._may_be_infinite = divides_by_value(self._tree)

    def __call__(self, events: ak.Array, extra: Mapping[str, ak.Array] | None = None) -> ak.Array:
        """Return the value for each event: numbers, lists of numbers or four-vectors, (events,).

        `extra` contains further columns, which take precedence over those of `events`. Raises
        DataError for a missing column, ExpressionError if the value cannot be computed.
        """
        scope = Scope(self.text, events, extra or {})
        with np.errstate(all="ignore"):
            value = scope.value(self._tree)
        if isinstance(value, str):
            raise error_at(self.text, None, "it is a string; compare it with a column")
        if not isinstance(value, ak.Array):
            return ak.Array(np.full(len(events), value))
        return _without_missing(as_seconds(value), self._may_be_infinite)

    def __repr__(self) -> str:
        return f"Expression({self.text!r})"


def _without_missing(value: ak.Array, may_be_infinite: bool) -> ak.Array:
    """Return integers that may be missing or infinite as floats.

    The type does not depend on whether one is so in this block. Large integers, which are not exact
    as floats, are kept if none is missing.
    """
    may_be_missing = "?" in str(value.type)
    if not is_integer(value):
        return fill_missing(value) if may_be_missing and kind(value) == "float" else value
    if not (may_be_infinite or may_be_missing):
        return value
    if not (are_exact_floats(value) or ak.any(ak.is_none(value, axis=-1), axis=None)):
        return ak.fill_none(value, 0, axis=-1)
    return fill_missing(ak.values_astype(value, np.float64))


def evaluate(text: str, events: ak.Array) -> ak.Array:
    """Return the value of an expression for each event."""
    return Expression(text)(events)


def define(
    events: ak.Array, definitions: Mapping[str, str], only: Collection[str] | None = None
) -> ak.Array:
    """Return the events with new columns; a definition can use those before it.

    `only` restricts them to those that these columns need.
    """
    names = definitions if only is None else needed_definitions(definitions, only)
    for name in names:
        events = ak.with_field(events, Expression(definitions[name])(events), name)
    return events


def required_columns(definitions: Mapping[str, str], texts: Iterable[str]) -> set[str]:
    """Return the columns of the data that expressions need, directly or through definitions."""
    names = set().union(*(Expression(text).columns for text in texts))
    return _resolve(definitions, names)[0]


def needed_definitions(definitions: Mapping[str, str], names: Collection[str]) -> list[str]:
    """Return the definitions, in their order, that these columns need."""
    return _resolve(definitions, set(names))[1]


def _resolve(definitions: Mapping[str, str], names: set[str]) -> tuple[set[str], list[str]]:
    used: list[str] = []
    for name in reversed(list(definitions)):
        reads = {n for n in names if n == name or _property_of(n, name)}
        if reads:
            names = (names - reads) | Expression(definitions[name]).columns
            used.insert(0, name)
    return names, used


def _property_of(name: str, owner: str) -> bool:
    before, _, last = name.rpartition(".")
    return before == owner and last in PROPERTIES


def as_real(values: ak.Array, text: str) -> NDArray[np.float64]:
    """Return one number per event as float64, (events,), or raise ExpressionError."""
    values = as_seconds(values)
    content = kind(values)
    if values.ndim != 1 or content not in ("float", "integer", "boolean"):
        raise ExpressionError(f"'{text}' must give one number per event, not {_describe(values)}")
    return np.asarray(ak.to_numpy(values), dtype=np.float64)


def require_numbers(values: ak.Array, text: str) -> None:
    """Raise ExpressionError if the values of an expression are texts or four-vectors."""
    if kind(values) not in ("float", "integer", "boolean"):
        raise ExpressionError(
            f"{shorten(text)} must give numbers, not {_describe(values)}; compare texts, as in "
            "'kind == \"ee\"', and take a property of four-vectors, as in 'p4(…).mass'"
        )


def as_mask(values: ak.Array, text: str) -> NDArray[np.bool_]:
    """Return one boolean per event, (events,), or raise ExpressionError."""
    if values.ndim != 1 or kind(values) != "boolean":
        raise ExpressionError(
            f"'{text}' must be true or false for each event, not {_describe(values)}; compare "
            "it, as in 'x > 0', or reduce a list with any() or all()"
        )
    return np.asarray(ak.to_numpy(values), dtype=np.bool_)


def _describe(values: ak.Array) -> str:
    content = {"float": "numbers", "integer": "integers", "boolean": "conditions"}
    what = content.get(kind(values), "four-vectors" if kind(values) == "record" else "strings")
    return f"a list of {what} per event" if values.ndim > 1 else f"{what}, one per event"
