"""Evaluation of targets: class indices or regressed values of events."""

from __future__ import annotations

from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.expressions.expression import Expression, as_mask, as_real
from bunchtrain.targets import Target

#: Class index of an event that belongs to none of the classes.
NO_CLASS = -1


def label_events(target: Target, events: ak.Array, entries: NDArray[np.int64]) -> NDArray[Any]:
    """Return the class indices (events,) int64 of a target, or its values (events, value) float32.

    Raises DataError, naming the entry, if an event belongs to two classes or a value is not finite.
    """
    if target.is_classification:
        return _class_indices(target, events, entries)
    where = f"targets.{target.name}"
    columns = [finite_values(events, text, where, entries) for text in target.expressions]
    return np.stack(columns, axis=1).astype(np.float32)


def _class_indices(
    target: Target, events: ak.Array, entries: NDArray[np.int64]
) -> NDArray[np.int64]:
    masks = [as_mask(Expression(text)(events), text) for text in target.expressions]
    in_class = np.stack(masks, axis=1)  # (events, class)
    if (ambiguous := np.flatnonzero(in_class.sum(1) > 1)).size:
        names = np.array(target.classes)[in_class[ambiguous[0]]]
        raise DataError(
            f"targets.{target.name}, entry {entries[ambiguous[0]]}: the event is in the classes "
            f"{' and '.join(map(repr, names.tolist()))}; make the conditions exclude each other"
        )
    return np.where(in_class.any(1), in_class.argmax(1), NO_CLASS)


def finite_values(
    events: ak.Array, text: str, where: str, entries: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return the values of an expression, (events,).

    Raises DataError, naming expression and entry, if one is NaN or infinite.
    """
    values = as_real(Expression(text)(events), text)
    require_finite(values, f"{where}: '{text}'", entries)
    return values


def require_finite(values: NDArray[np.float64], where: str, entries: NDArray[np.int64]) -> None:
    """Raise DataError, naming column and entry, if a value is NaN or infinite."""
    if (bad := np.flatnonzero(~np.isfinite(values))).size:
        raise DataError(
            f"{where} is {values[bad[0]]} at entry {entries[bad[0]]}; "
            "exclude such events with 'select'"
        )
