"""Targets: what is to be predicted of an event, from conditions or expressions."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.expressions.expression import Expression, as_mask, as_numbers

#: Class number of an event that is in none of the classes.
NO_CLASS = -1


@dataclass(frozen=True)
class Target:
    """A class with its conditions, or the expressions of the values."""

    name: str
    classes: Mapping[str, str]
    values: tuple[str, ...]

    @classmethod
    def of(cls, name: str, plain: Mapping[str, Any]) -> Target:
        """Return the target from what a study says of it."""
        return cls(name, plain.get("classes") or {}, tuple(plain.get("values") or ()))

    @property
    def texts(self) -> list[str]:
        """The expressions that it evaluates."""
        return [*self.classes.values(), *self.values]

    def __call__(self, events: ak.Array, entries: NDArray[np.int64]) -> NDArray[Any]:
        """Return class numbers (events,) int64, or values (events, value) float32."""
        return self._classes(events, entries) if self.classes else self._values(events, entries)

    def _classes(self, events: ak.Array, entries: NDArray[np.int64]) -> NDArray[np.int64]:
        masks = [as_mask(Expression(text)(events), text) for text in self.classes.values()]
        fulfilled = np.stack(masks, axis=1)  # (events, class)
        if (twice := np.flatnonzero(fulfilled.sum(1) > 1)).size:
            names = np.array(list(self.classes))[fulfilled[twice[0]]]
            raise DataError(
                f"targets.{self.name}, entry {entries[twice[0]]}: the event is in the classes "
                f"{' and '.join(map(repr, names.tolist()))}; make the conditions exclude each other"
            )
        return np.where(fulfilled.any(1), fulfilled.argmax(1), NO_CLASS)

    def _values(self, events: ak.Array, entries: NDArray[np.int64]) -> NDArray[np.float32]:
        columns = [finite(events, text, f"targets.{self.name}", entries) for text in self.values]
        return np.stack(columns, axis=1).astype(np.float32)


def finite(
    events: ak.Array, text: str, where: str, entries: NDArray[np.int64]
) -> NDArray[np.float64]:
    """Return an expression's numbers, (events,).

    Raises DataError, naming expression and entry, if one is NaN or infinite.
    """
    numbers = as_numbers(Expression(text)(events), text)
    refuse_invalid(numbers, f"{where}: '{text}'", entries)
    return numbers


def refuse_invalid(numbers: NDArray[np.float64], where: str, entries: NDArray[np.int64]) -> None:
    """Raise DataError, naming place and entry, if a number is NaN or infinite."""
    if (bad := np.flatnonzero(~np.isfinite(numbers))).size:
        raise DataError(
            f"{where} is {numbers[bad[0]]} at entry {entries[bad[0]]}; "
            "leave such events out with 'select'"
        )
