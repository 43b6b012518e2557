"""Interface of a split, and the identifiers of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError

TRAIN, VALIDATION, TEST = 0, 1, 2


class Split(ABC):
    """Assigns each event to the training, validation or test set.

    key         column or columns that identify an event.
    train       fraction or values of the training set.
    validation  fraction, values or remainders of the validation set.
    test        fraction, values or remainders of the test set.
    """

    @abstractmethod
    def columns(self) -> list[str]:
        """Return the columns that the split uses."""

    @abstractmethod
    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 (training, validation, test) for each event, (events,)."""


def key_columns(key: str | Sequence[str] | None) -> list[str]:
    """Return the key columns as a list."""
    return [] if key is None else [key] if isinstance(key, str) else list(key)


def event_ids(
    events: ak.Array, entries: NDArray[np.int64], key: str | Sequence[str] | None
) -> list[NDArray[np.int64]]:
    """Return 64 bits that identify events, (events,) each: the key columns, or the entries.

    Raises DataError if a key column contains other values than integers.
    """
    names = key_columns(key)
    columns = [as_integers(events[name], name, entries) for name in names]
    return [column.view(np.int64) for column in columns] or [entries]


def as_integers(
    column: ak.Array, name: str, entries: NDArray[np.int64]
) -> NDArray[np.int64] | NDArray[np.uint64]:
    """Return a column as int64 (events,), or as uint64 if it is of that type.

    Raises DataError, naming column and entry, for a value that is not an integer of 64 bits.
    """
    values = one_per_event(column)
    if values is not None and values.dtype.kind == "M":
        values = values.view(np.int64)
    if values is None or values.dtype.kind not in "iufb":
        raise DataError(
            f"column '{name}' identifies events in the split but has type {column.type}, "
            "not one integer per event; choose another key"
        )
    if values.dtype.kind == "f":
        is_integer = (values == np.rint(values)) & (np.abs(values) < 2.0**63)
        if (bad := np.flatnonzero(~is_integer)).size:
            raise DataError(
                f"column '{name}', entry {entries[bad[0]]}: {values[bad[0]]} is not an integer, "
                "but the split identifies events by it; choose another key"
            )
    values = values if values.dtype == np.uint64 else values.astype(np.int64)
    return np.ascontiguousarray(values)


def one_per_event(column: ak.Array) -> NDArray[Any] | None:
    """Return a column as an array (events,), or None if it has not one value for each event."""
    try:
        values = ak.to_numpy(column, allow_missing=False)
    except ValueError:
        return None
    return values if values.ndim == 1 else None
