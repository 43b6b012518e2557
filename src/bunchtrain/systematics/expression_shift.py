"""Shifts that are defined by expressions."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.parts.ranges import Positive
from bunchtrain.systematics._momenta import check_columns
from bunchtrain.systematics._systematic import Systematic
from bunchtrain.tables.expressions.expression import Expression


class ExpressionShift(Systematic):
    """Shifted columns from expressions in which `shift` is the amount, e.g. `tau_pt * (1 + shift)`.

    An expression without `shift`, e.g. `tau_pt * 1.03`, is the value at one standard deviation; the
    change is proportional to the amount, and opposite downwards. All expressions use the unshifted
    columns.

    columns  column → expression.
    size     `shift` of one standard deviation.
    """

    def __init__(self, *, columns: dict[str, str], size: Positive = 1.0) -> None:
        super().__init__(size)
        self.columns = {name: Expression(text) for name, text in columns.items()}

    def required_columns(self, used: Collection[str], available: Mapping[str, str]) -> set[str]:
        """Return the columns in the expressions of those that are used.

        Raises StudyError for a column that the source does not have.
        """
        check_columns("expression_shift", self.columns, available)
        texts = [text for name, text in self.columns.items() if name in used]
        return set().union(*(text.columns for text in texts)) - {"shift"}

    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the values of the expressions."""
        shift = {"shift": ak.Array(np.full(len(events), amount))}
        found = {}
        for name, text in self.columns.items():
            if name in events.fields:
                found[name] = text(events, shift)
                if "shift" not in text.columns:
                    change = (found[name] - events[name]) * (amount / self.size)
                    found[name] = events[name] + change
        return found
