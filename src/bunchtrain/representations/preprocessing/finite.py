"""Checks for NaN and infinity in the inputs, according to the policy of a study."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from bunchtrain.batch import Array, axis_of
from bunchtrain.errors import DataError

Policy = Literal["raise", "clip", "impute", "drop"]
#: Integer tensors, which are neither normalised nor checked.
INTEGERS = ("lengths", "edges", "children", "levels", "words")


def check_finite(
    inputs: Mapping[str, Array],
    names: Mapping[str, Sequence[str]],
    entries: Sequence[int] | Array,
    policy: Policy,
) -> NDArray[np.int64]:
    """Return the indices of the events to keep (kept,), all of them unless the policy is `drop`.

    `inputs` are the arrays of a block, `names` those of their columns, `entries` the
    indices of the events in their source, for messages. Raises DataError, naming column and entry,
    if the policy is `raise` and a value is NaN or infinite.
    """
    events = len(entries)
    keep = np.ones(events, bool)
    if policy in ("raise", "drop"):
        for name, values in inputs.items():
            if name not in INTEGERS and not np.isfinite(values).all():
                bad = ~np.isfinite(values)
                event = _event_index(name, inputs, events)
                if policy == "raise":
                    raise _invalid_value_error(name, values, bad, names, entries, event)
                keep[event[_rows(bad)]] = False
    return np.flatnonzero(keep)


def _event_index(name: str, inputs: Mapping[str, Array], events: int) -> Array:
    index = np.arange(events)
    if axis_of(name) == "event":
        return index
    points = np.repeat(index, inputs["lengths"])
    return points if axis_of(name) == "point" else points[inputs["edges"][1]]


def _rows(bad: Array) -> Array:
    """Return whether a row has an invalid value, (rows,)."""
    return np.asarray(bad.reshape(len(bad), -1).any(1))


def _invalid_value_error(
    name: str,
    values: Array,
    bad: Array,
    names: Mapping[str, Sequence[str]],
    entries: Sequence[int] | Array,
    event: Array,
) -> DataError:
    row, column = np.argwhere(bad)[0, :2].tolist()
    what = "NaN" if np.isnan(values[row, column]).any() else "infinite"
    count = len(np.unique(event[_rows(bad)]))
    place = f"entry {int(entries[int(event[row])])}"
    if axis_of(name) == "point":
        place += f", point {row - int((event < event[row]).sum())}"
    return DataError(
        f"'{names[name][column]}' of '{name}' is {what} in {place}"
        f" (and {count} of the {len(entries)} entries of this block have such values); set "
        "'invalid' to clip, impute or drop, or remove these events with 'select'"
    )
