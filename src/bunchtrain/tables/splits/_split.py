"""Interface of a split, and the identifiers of events."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

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
    """Return the integers that identify events, (events,) each: the key columns, or the entries.

    Raises DataError if a key column contains other values than integers.
    """
    names = key_columns(key)
    return [as_integers(events[name], name, entries) for name in names] or [entries]


def as_integers(column: ak.Array, name: str, entries: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a column as int64, (events,).

    Raises DataError, naming column and entry, for a value that is not an integer.
    """
    try:
        values = ak.to_numpy(column, allow_missing=False)
    except ValueError:
        values = np.empty(0, dtype=object)
    if values.ndim != 1 or values.dtype.kind not in "iufb":
        raise DataError(
            f"column '{name}' identifies events in the split but has type {column.type}, "
            "not one integer per event; choose another key"
        )
    if values.dtype.kind == "f" and (bad := np.flatnonzero(values != np.rint(values))).size:
        raise DataError(
            f"column '{name}', entry {entries[bad[0]]}: {values[bad[0]]} is not an integer, "
            "but the split identifies events by it; choose another key"
        )
    integers: NDArray[np.int64] = values.astype(np.int64)
    return integers
