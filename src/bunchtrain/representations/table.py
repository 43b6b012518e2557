"""Tables of event-level features, for trees and dense networks."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from typing import Literal

import awkward as ak
import numpy as np
import torch
from torch import Tensor

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.physics.packed import Floats
from bunchtrain.representations._representation import Representation, Size
from bunchtrain.tables.expressions.expression import Expression, require_numbers


class Table(Representation):
    """One row of features per event, each an expression over its columns."""

    normalised = ("table",)

    def __init__(
        self, *, features: list[str], normalise: Literal["standard", "robust", "none"] = "standard"
    ) -> None:
        if not features:
            raise StudyError("a table needs at least one of 'features'")
        self.features = [Expression(text) for text in features]
        self.normalise = normalise

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that the expressions read."""
        return columns_of(self.features, available)

    @property
    def sizes(self) -> dict[str, Size]:
        """Return the number of features."""
        return {"table": len(self.features)}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the expressions."""
        return {"table": [each.text for each in self.features]}

    def __call__(self, events: ak.Array) -> dict[str, Tensor]:
        """Return `table` (batch, feature)."""
        return {"table": torch.from_numpy(evaluate_table(self.features, events))}


def columns_of(expressions: Iterable[Expression], available: Collection[str]) -> list[str]:
    """Return the columns that expressions over events read.

    Raises DataError, naming the nearest, if one is missing.
    """
    found: dict[str, None] = {}
    for expression in expressions:
        for name in sorted(expression.columns):
            if name not in available:
                raise DataError(
                    f"the data have no column '{name}', which '{expression.text}' reads"
                    f"{nearest(name, available)}"
                )
            found[name] = None
    return list(found)


def evaluate_table(expressions: Iterable[Expression], events: ak.Array) -> Floats:
    """Return the values of expressions over events: (events, expressions) float32.

    Raises DataError if one gives a list per event.
    """
    return np.stack([_evaluate_scalar(expression, events) for expression in expressions], axis=1)


def _evaluate_scalar(expression: Expression, events: ak.Array) -> Floats:
    values = expression(events)
    require_numbers(values, expression.text)
    if values.ndim != 1:
        raise DataError(
            f"'{expression.text}' gives a list per event where one value is needed; reduce it, as "
            f"in 'sum({expression.text})'"
        )
    return np.asarray(ak.to_numpy(values), dtype=np.float32)
