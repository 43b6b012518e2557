"""Column types: kinds of values, and conversion to types without missing values or fixed sizes."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
from awkward.contents import IndexedOptionArray, NumpyArray
from awkward.index import Index64
from numpy.typing import NDArray

from bunchtrain.errors import DataError

_KINDS = {"f": "float", "i": "integer", "u": "integer", "b": "boolean", "M": "time"}
#: The type of times.
NANOSECONDS = np.dtype("datetime64[ns]")
#: The largest integer up to which all integers have an exact float64.
EXACT = 2**53


def innermost(layout: Any) -> Any:
    """Return the innermost content of a layout; a string or a record is not opened."""
    while (layout.is_list or layout.is_option or layout.is_indexed) and not _is_text(layout):
        layout = layout.content
    return layout


def _is_text(layout: Any) -> bool:
    return layout.parameter("__array__") in ("string", "bytestring")


def kind(column: ak.Array) -> str:
    """Return the kind of values: float, integer, boolean, text, time, record or other."""
    inner = innermost(column.layout)
    if _is_text(inner):
        return "text"
    if inner.is_record:
        return "record"
    if inner.is_unknown:
        return "float"
    if not inner.is_numpy or inner.dtype.itemsize > 8:  # long double
        return "other"
    return _KINDS.get(inner.dtype.kind, "other")


def simplify(column: ak.Array) -> ak.Array:
    """Return a column without missing values, fixed-size lists, categories or float16.

    A missing float or integer becomes NaN, a missing boolean false, a missing text '', a missing
    time NaT, a missing list empty. Times are whole nanoseconds since 1970 in UTC. Raises DataError
    if integers beyond ±2**53 would have to become float64, or times are outside 1677 to 2262.
    """
    layout = _plain(column.layout)
    return column if layout is column.layout else ak.Array(layout, behavior=column.behavior)


#: The name of `simplify` where an operation made missing values.
fill_missing = simplify


def _plain(layout: Any) -> Any:
    """Return a layout of lists, records and numbers only; the same one if it is that already."""
    if layout.is_option:
        return _filled(layout)
    if layout.is_indexed:
        return _plain(layout.project())
    if layout.is_unknown:
        return NumpyArray(np.empty(0))
    if layout.is_numpy:
        return _plain(layout.to_RegularArray()) if layout.inner_shape else _plain_numbers(layout)
    if layout.is_record:
        contents = [_plain(content) for content in layout.contents]
        same = all(new is old for new, old in zip(contents, layout.contents, strict=True))
        return layout if same else layout.copy(contents=contents)
    if not layout.is_list or _is_text(layout):
        return layout
    variable = layout.to_ListOffsetArray64(True) if layout.is_regular else layout
    content = _plain(variable.content)
    return variable if content is variable.content else variable.copy(content=content)


def _plain_numbers(layout: Any) -> Any:
    if layout.dtype.kind == "M" and layout.dtype != NANOSECONDS:
        return layout.copy(data=as_nanoseconds(layout.data))
    half = layout.dtype == np.float16
    return layout.copy(data=layout.data.astype(np.float32)) if half else layout


def as_nanoseconds(times: NDArray[Any]) -> NDArray[np.datetime64]:
    """Return times of any resolution in nanoseconds; DataError if one does not fit into 64 bits."""
    converted = times.astype(NANOSECONDS)
    # dates and times beyond the range overflow without a message
    if (outside := np.flatnonzero(converted.astype(times.dtype) != times)).size:
        outside = outside[~np.isnat(times[outside])]
    if outside.size:
        raise DataError(f"its time {times[outside[0]]} is outside the years 1677 to 2262")
    return converted


def _filled(layout: Any) -> Any:
    """Return a layout with values in place of those that are missing."""
    present = np.asarray(layout.mask_as_bool(valid_when=True))
    values = _plain(layout.project())
    if present.all():
        return values
    if values.is_record:
        index = Index64(np.where(present, np.cumsum(present) - 1, -1))
        contents = [
            _plain(IndexedOptionArray(index, one[: values.length])) for one in values.contents
        ]
        return values.copy(contents=contents, length=len(present))
    if values.is_list:
        lists = values.to_ListOffsetArray64(True)
        counts = np.zeros(len(present) + 1, np.int64)
        counts[1:][present] = np.diff(lists.offsets.data)
        return lists.copy(offsets=Index64(np.cumsum(counts)))
    if not values.is_numpy or values.dtype.kind not in "fiubM":
        return layout
    return NumpyArray(_with_missing(values.data, present), parameters=values.parameters)


def _with_missing(values: NDArray[Any], present: NDArray[np.bool_]) -> NDArray[Any]:
    """Return (all,) from the values (present,): NaN where one is missing, NaT, or false."""
    if values.dtype.kind == "b":
        filled = np.zeros(len(present), bool)
    elif values.dtype.kind == "M":
        filled = np.full(len(present), "NaT", values.dtype)
    else:
        values = as_float64(values) if values.dtype.kind in "iu" else values
        filled = np.full(len(present), np.nan, values.dtype)
    filled[present] = values
    return filled


def as_float64(values: NDArray[Any]) -> NDArray[np.float64]:
    """Return integers as float64, or raise DataError if one is not exact."""
    if len(values) and max(int(values.max()), -int(values.min())) > EXACT:
        raise DataError(
            "it has missing values and integers beyond 2**53, which have no exact float64"
        )
    return values.astype(np.float64)


def split_records(name: str, column: ak.Array) -> dict[str, ak.Array]:
    """Return a column of records as one column per field, `tracks` → `tracks_pt`, ..."""
    if kind(column) != "record":
        return {name: column}
    found: dict[str, ak.Array] = {}
    for field in ak.fields(column):
        found |= split_records(f"{name}_{field}", column[field])
    return found


def has_optional_integers(layout: Any) -> bool:
    """Return whether the integers of a layout may be missing, one by one."""
    while layout.is_list or layout.is_option or layout.is_indexed:
        if layout.is_option and layout.content.is_numpy:
            return bool(layout.content.dtype.kind in "iu")
        layout = layout.content
    return False


def as_text(column: ak.Array) -> ak.Array:
    """Return a column of text or bytes as text, or raise DataError if it is not UTF-8."""

    def decode(layout: Any, **_: Any) -> Any:
        if not layout.is_list or not _is_text(layout):
            return None
        if layout.parameter("__array__") == "string" and np.all(layout.content.data < 128):
            return layout
        try:
            values = ak.to_arrow(ak.Array(layout), extensionarray=False).cast(pa.large_binary())
            return ak.from_arrow(values.cast(pa.large_string()), highlevel=False).to_packed()
        except pa.ArrowInvalid:
            raise DataError("it has bytes that are not UTF-8 text") from None

    return ak.transform(decode, column) if kind(column) == "text" else column


def empty_column(type: str) -> ak.Array:
    """Return a column without events, of a type as text, `var * float32`."""
    return ak.Array(_form(type).length_zero_array())


@lru_cache(maxsize=1000)  # parsing takes milliseconds
def _form(type: str) -> Any:
    return ak.forms.from_type(ak.types.from_datashape(f"0 * {type}").content)
