"""Column types: kinds of values, and conversion to types without missing values or fixed sizes."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np

_KINDS = {"f": "float", "i": "integer", "u": "integer", "b": "boolean"}


def innermost(layout: Any) -> Any:
    """Return the innermost content of a layout; a string or a record is not opened."""
    while (layout.is_list or layout.is_option or layout.is_indexed) and not _is_text(layout):
        layout = layout.content
    return layout


def _is_text(layout: Any) -> bool:
    return layout.parameter("__array__") in ("string", "bytestring")


def kind(column: ak.Array) -> str:
    """Return the kind of the values of a column: float, integer, boolean, text, record or other."""
    inner = innermost(column.layout)
    if _is_text(inner):
        return "text"
    if inner.is_record:
        return "record"
    if inner.is_unknown:
        return "float"
    return _KINDS.get(inner.dtype.kind, "other") if inner.is_numpy else "other"


def simplify(column: ak.Array) -> ak.Array:
    """Return a column without missing values, fixed-size lists or float16.

    A missing float or integer becomes NaN, a missing boolean false, a missing text ''.
    """
    found = _to_simplify(column.layout)
    if "option" in found:
        column = fill_missing(column)
    if "regular" in found:
        column = ak.from_regular(column, axis=None)
    return ak.values_astype(column, np.float32) if "half" in found else column


def _to_simplify(layout: Any) -> set[str]:
    """Return which types `simplify` has to replace, at any depth of a layout."""
    found = set()
    if layout.is_option:
        found.add("option")
    if (layout.is_regular and not _is_text(layout)) or (layout.is_numpy and layout.inner_shape):
        found.add("regular")
    if layout.is_numpy and layout.dtype == np.float16:
        found.add("half")
    if layout.is_record:
        return found.union(*(_to_simplify(content) for content in layout.contents))
    if (layout.is_list or layout.is_option or layout.is_indexed) and not _is_text(layout):
        return found | _to_simplify(layout.content)
    return found


def fill_missing(column: ak.Array) -> ak.Array:
    """Return a column whose missing values are NaN, false, '' or an empty list."""
    content = kind(column)
    if content == "record":
        name = innermost(column.layout).parameter("__record__")
        filled = {field: fill_missing(column[field]) for field in ak.fields(column)}
        return ak.zip(filled, with_name=name, depth_limit=column.ndim)
    for axis in range(column.ndim - 1):
        column = ak.fill_none(column, [], axis=axis)
    unknown = innermost(column.layout).is_unknown
    if unknown or (content == "integer" and ak.any(ak.is_none(column, axis=-1), axis=None)):
        column = ak.values_astype(column, np.float64)
    return ak.fill_none(column, _missing_value(column), axis=-1)


def _missing_value(column: ak.Array) -> object:
    inner, content = innermost(column.layout), kind(column)
    if content == "text":
        return ""
    if not inner.is_numpy:
        return np.nan
    return inner.dtype.type(np.nan) if content == "float" else inner.dtype.type(0)


def split_records(name: str, column: ak.Array) -> dict[str, ak.Array]:
    """Return a column of records as one column per field, `tracks` → `tracks_pt`, ..."""
    if kind(column) != "record":
        return {name: column}
    found: dict[str, ak.Array] = {}
    for field in ak.fields(column):
        found |= split_records(f"{name}_{field}", column[field])
    return found
