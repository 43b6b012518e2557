"""Times in expressions: seconds since 1970, exact differences, comparisons with ISO 8601 texts."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.tables.column_types import NANOSECONDS, kind
from bunchtrain.tables.expressions.lists import Problem

_MISSING = np.iinfo(np.int64).min


def is_time(value: Any) -> bool:
    """Return whether a value is a column of times."""
    return isinstance(value, ak.Array) and kind(value) == "time"


def as_seconds(value: Any) -> Any:
    """Return times as seconds since 1970 in float64, NaN for a missing one, others as they are.

    A float64 of today's seconds has a resolution of 0.24 µs.
    """
    return ak.transform(_seconds_of_layout, value) if is_time(value) else value


def _seconds_of_layout(layout: Any, **_: Any) -> Any:
    if not layout.is_numpy:
        return None
    return ak.contents.NumpyArray(seconds(np.asarray(layout.data)))


def seconds(times: NDArray[np.datetime64]) -> NDArray[np.float64]:
    """Return times (n,) as seconds since 1970, NaN for NaT."""
    return _seconds(times.astype(NANOSECONDS).view(np.int64))


def _seconds(nanoseconds: NDArray[np.int64]) -> NDArray[np.float64]:
    # whole seconds and the rest have an exact float64, a sum of nanoseconds may have none
    whole, rest = np.divmod(nanoseconds, 10**9)
    return np.where(nanoseconds == _MISSING, np.nan, whole + rest / 1e9)


def subtract_times(left: ak.Array, right: ak.Array) -> ak.Array:
    """Return the difference of two times in seconds, exact to 1 ns; NaN if one is missing."""

    def difference(layouts: Any, **_: Any) -> Any:
        if not all(layout.is_numpy for layout in layouts):
            return None
        a, b = (np.asarray(one.data).view(np.int64) for one in layouts)
        missing = (a == _MISSING) | (b == _MISSING)
        rounded = (a.astype(np.float64) - b) / 1e9
        exact = _seconds(np.where(missing, _MISSING, a - b))
        # beyond 292 years the integers overflow
        return (ak.contents.NumpyArray(np.where(missing | (abs(rounded) < 9e9), exact, rounded)),)

    found = ak.transform(difference, left, right)
    return found[0] if isinstance(found, tuple) else found


def with_texts_as_times(left: Any, right: Any) -> tuple[Any, Any]:
    """Return both sides of a comparison, texts beside times as times of nanoseconds.

    Raises Problem for a text that is no time of ISO 8601.
    """
    if is_time(left) and isinstance(right, str):
        return left, parse_time(right)
    if is_time(right) and isinstance(left, str):
        return parse_time(left), right
    return left, right


def parse_time(text: str) -> np.datetime64:
    """Return a text of ISO 8601 as a time in ns; raises Problem for another text."""
    try:
        return np.datetime64(text.removesuffix("Z"), "ns")
    except ValueError:
        raise Problem(
            f"'{text}' is no time; write it as '2024-05-31' or '2024-05-31T12:00:00' (UTC)"
        ) from None
