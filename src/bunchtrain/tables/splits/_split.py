"""What every split promises, and how an event is known again."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError

TRAIN, VALIDATION, TEST = 0, 1, 2


class Split(ABC):
    """Training, validation and test sets, of which an event is in exactly one."""

    @abstractmethod
    def columns(self) -> list[str]:
        """Return the columns that it reads."""

    @abstractmethod
    def assign(self, events: ak.Array, entries: NDArray[np.int64], seed: int) -> NDArray[np.int8]:
        """Return 0, 1 or 2 (training, validation, test) for each event, (events,)."""


def listed(key: str | Sequence[str] | None) -> list[str]:
    """Return the key columns as a list."""
    return [] if key is None else [key] if isinstance(key, str) else list(key)


def identity(
    events: ak.Array, entries: NDArray[np.int64], key: str | Sequence[str] | None
) -> list[NDArray[np.int64]]:
    """Return the whole numbers by which an event is known: its key columns, or its entry.

    Raises DataError if a key column holds anything but whole numbers.
    """
    names = listed(key)
    return [whole_numbers(events[name], name, entries) for name in names] or [entries]


def whole_numbers(column: ak.Array, name: str, entries: NDArray[np.int64]) -> NDArray[np.int64]:
    """Return a column as int64, (events,).

    Raises DataError, naming column and entry, where a value is no whole number.
    """
    try:
        values = ak.to_numpy(column, allow_missing=False)
    except ValueError:
        values = np.empty(0, dtype=object)
    if values.ndim != 1 or values.dtype.kind not in "iufb":
        raise DataError(
            f"column '{name}' identifies events in the split but holds {column.type}, "
            "not one whole number an event; choose another key"
        )
    if values.dtype.kind == "f" and (bad := np.flatnonzero(values != np.rint(values))).size:
        raise DataError(
            f"column '{name}', entry {entries[bad[0]]}: {values[bad[0]]} is no whole "
            "number, but the split identifies events by it; choose another key"
        )
    numbers: NDArray[np.int64] = values.astype(np.int64)
    return numbers
