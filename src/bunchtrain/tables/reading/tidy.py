"""Columns as the toolkit promises them: no missing values, no fixed-size lists."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np


def leaf(layout: Any) -> Any:
    """Return the innermost content of a layout, a string or a record counting as innermost."""
    while (layout.is_list or layout.is_option or layout.is_indexed) and not _is_text(layout):
        layout = layout.content
    return layout


def _is_text(layout: Any) -> bool:
    return layout.parameter("__array__") in _TEXT


_TEXT = ("string", "bytestring")


def kind(column: ak.Array) -> str:
    """Return what a column holds: float, integer, boolean, text, record or other."""
    inner = leaf(column.layout)
    if _is_text(inner):
        return "text"
    if inner.is_record:
        return "record"
    if inner.is_unknown:
        return "float"
    if not inner.is_numpy:
        return "other"
    return {"f": "float", "i": "integer", "u": "integer", "b": "boolean"}.get(
        inner.dtype.kind, "other"
    )


def tidy(column: ak.Array) -> ak.Array:
    """Return a column without missing values and fixed sizes.

    A missing float or integer becomes NaN, a missing boolean false, a missing text ''.
    """
    traits = _traits(column.layout)
    if "option" in traits:
        column = fill(column)
    if "regular" in traits:
        column = ak.from_regular(column, axis=None)
    return ak.values_astype(column, np.float32) if "half" in traits else column


def _traits(layout: Any) -> set[str]:
    """Return what is untidy on the way from a layout down to its innermost content."""
    found = set()
    if layout.is_option:
        found.add("option")
    if (layout.is_regular and not _is_text(layout)) or (layout.is_numpy and layout.inner_shape):
        found.add("regular")
    if layout.is_numpy and layout.dtype == np.float16:
        found.add("half")
    if layout.is_record:
        return found.union(*(_traits(content) for content in layout.contents))
    if (layout.is_list or layout.is_option or layout.is_indexed) and not _is_text(layout):
        return found | _traits(layout.content)
    return found


def fill(column: ak.Array) -> ak.Array:
    """Return a column whose missing values are NaN, false, '' or an empty list."""
    content = kind(column)
    if content == "record":
        return _fill_record(column)
    for axis in range(column.ndim - 1):
        column = ak.fill_none(column, [], axis=axis)
    unknown = leaf(column.layout).is_unknown
    if unknown or (content == "integer" and ak.any(ak.is_none(column, axis=-1), axis=None)):
        column = ak.values_astype(column, np.float64)
    return ak.fill_none(column, _missing(column), axis=-1)


def _missing(column: ak.Array) -> object:
    inner, content = leaf(column.layout), kind(column)
    if content == "text":
        return ""
    if not inner.is_numpy:
        return np.nan
    return inner.dtype.type(np.nan) if content == "float" else inner.dtype.type(0)


def _fill_record(column: ak.Array) -> ak.Array:
    name = leaf(column.layout).parameter("__record__")
    parts = {field: fill(column[field]) for field in ak.fields(column)}
    return ak.zip(parts, with_name=name, depth_limit=column.ndim)


def expand(name: str, column: ak.Array) -> dict[str, ak.Array]:
    """Return a column of records as one column a field, `tracks` → `tracks_pt`, ..."""
    if kind(column) != "record":
        return {name: column}
    found: dict[str, ak.Array] = {}
    for field in ak.fields(column):
        found |= expand(f"{name}_{field}", column[field])
    return found
