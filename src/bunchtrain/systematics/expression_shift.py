"""Shifts that are defined by expressions."""

from __future__ import annotations

from collections.abc import Collection, Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.parts.ranges import Positive
from bunchtrain.systematics._systematic import Systematic
from bunchtrain.tables.expressions.expression import Expression


class ExpressionShift(Systematic):
    """Shifted columns from expressions in which `shift` is the amount, e.g. `tau_pt * (1 + shift)`.

    All expressions use the unshifted columns.

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
        for name in self.columns:
            if name not in available:
                hint = nearest(name, available) or f"; there are {one_of(available)}"
                raise StudyError(f"expression_shift: the source has no column '{name}'{hint}")
        texts = [text for name, text in self.columns.items() if name in used]
        return set().union(*(text.columns for text in texts)) - {"shift"}

    def __call__(
        self, events: ak.Array, entries: NDArray[np.int64], amount: float
    ) -> dict[str, ak.Array]:
        """Return the values of the expressions."""
        shift = {"shift": ak.Array(np.full(len(events), amount))}
        present = {name: text for name, text in self.columns.items() if name in events.fields}
        return {name: text(events, shift) for name, text in present.items()}
