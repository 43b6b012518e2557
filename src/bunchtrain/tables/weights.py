"""Weights: how much each event counts in training.

The weight of an event is its event weight, times a factor that gives its class the spectra of the
reference class, times a factor that gives all classes the same sum; every factor comes from the
training set alone. The training weights of the training set have mean one, so that the learning
rate means the same whatever the unit of the event weights.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.tables.expressions.expression import as_numbers
from bunchtrain.tables.labels import finite, refuse_invalid

Floats = NDArray[np.float64]
Policy = Literal["refuse", "keep", "absolute", "drop"]


def event_weights(
    events: ak.Array, entries: NDArray[np.int64], text: str | None, negative: Policy
) -> Floats:
    """Return the event weights (events,), 1 without an expression; dropped ones are NaN.

    Raises DataError, naming the entry, for NaN, infinity, or what the policy refuses.
    """
    if text is None:
        return np.ones(len(entries))
    weights = finite(events, text, "weights.event", entries)
    below = weights < 0
    if negative == "refuse" and below.any():
        first = int(np.flatnonzero(below)[0])
        raise DataError(
            f"weights.event: '{text}' is {weights[first]:g} at entry {entries[first]}; "
            "set weights.negative to keep, absolute or drop"
        )
    if negative == "absolute":
        return np.abs(weights)
    return np.where(below, np.nan, weights) if negative == "drop" else weights


class Spectra:
    """Histograms of the training events' variables, class by class, and the factors from them.

    Without variables there is one bin. Under- and overflow are bins like the others.
    """

    def __init__(
        self, classes: Sequence[str], reweight: Mapping[str, Any] | None, balance: bool
    ) -> None:
        self.classes = list(classes)
        self.balance = balance
        self.reference: int | None = None
        self.variables: list[str] = []
        self.edges: list[Floats] = []
        self.limit = np.inf
        if reweight is not None:
            self._take(reweight)
        if balance and not self.classes:
            raise StudyError("weights.balance needs a target with classes; there is none")
        self.shape = tuple(len(edges) + 1 for edges in self.edges)
        self.sums = np.zeros((max(1, len(self.classes)), int(np.prod(self.shape))))
        self.counts = np.zeros(len(self.sums), dtype=np.int64)

    def _take(self, reweight: Mapping[str, Any]) -> None:
        reference = str(reweight["reference"])
        if reference not in self.classes:
            hint = (
                nearest(reference, self.classes) or "; the reference is one of a target's classes"
            )
            raise StudyError(f"weights.reweight.reference: there is no class '{reference}'{hint}")
        self.reference = self.classes.index(reference)
        self.variables = list(reweight["variables"])
        self.edges = [np.asarray(edges, dtype=float) for edges in reweight["variables"].values()]
        self.limit = float(reweight.get("limit", 10.0))
        for name, edges in zip(self.variables, self.edges, strict=True):
            if len(edges) < 2 or (np.diff(edges) <= 0).any():
                raise StudyError(
                    f"weights.reweight.variables.{name}: bin edges are two or more rising numbers"
                )

    def bins(self, events: ak.Array, entries: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the number of the bin of each event, (events,)."""
        number = np.zeros(len(entries), dtype=np.int64)
        for name, edges in zip(self.variables, self.edges, strict=True):
            values = as_numbers(events[name], name)
            refuse_invalid(values, f"weights.reweight.variables: column '{name}'", entries)
            number = number * (len(edges) + 1) + np.digitize(values, edges)
        return number.astype(np.int32)

    def fill(self, classes: NDArray[np.int64], bins: NDArray[np.int32], weights: Floats) -> None:
        """Add training events: class number, bin and event weight, (events,) each."""
        flat = classes * self.sums.shape[1] + bins
        self.sums += np.bincount(flat, weights, self.sums.size).reshape(self.sums.shape)
        self.counts += np.bincount(classes, minlength=len(self.counts))

    def factors(self) -> Floats:
        """Return what the event weight is multiplied with, (class, bin).

        Raises DataError if the training set has one class only, or weights that add up to 0.
        """
        totals = self.sums.sum(1)  # (class,)
        self._check(totals)
        present = self.counts > 0
        factor = self._reweighted(totals)
        target = totals.copy()
        if self.balance:
            target[present] = totals.sum() / present.sum()
        reached = (self.sums * factor).sum(1)
        if (lost := np.flatnonzero(present & ~(reached > 0))).size and (
            self.balance or self.reference is not None
        ):
            raise DataError(
                f"weights: the training weights of class '{self.classes[lost[0]]}' add up to "
                f"{reached[lost[0]]:g}; change weights.negative or the bins of weights.reweight"
            )
        scale = np.divide(target, reached, out=np.ones_like(target), where=reached != 0)
        factors: Floats = factor * scale[:, None] * self.counts.sum() / target.sum()
        return factors

    def _reweighted(self, totals: Floats) -> Floats:
        # Shapes are compared, not numbers; a class that has no event in a bin gets the limit there.
        if self.reference is None:
            return np.ones_like(self.sums)
        shape = self.sums / np.where(totals != 0, totals, 1)[:, None]
        wanted = np.broadcast_to(shape[self.reference].clip(min=0), shape.shape)
        empty = np.where(wanted > 0, self.limit, 0.0)
        ratio: Floats = np.divide(wanted, shape, out=empty, where=shape > 0)
        return ratio.clip(max=self.limit)

    def _check(self, totals: Floats) -> None:
        present = [name for name, count in zip(self.classes, self.counts, strict=False) if count]
        if len(self.classes) > 1 and len(present) == 1:
            raise DataError(
                f"the training set holds events of class '{present[0]}' only; "
                "check the conditions of the classes, 'select' and the source"
            )
        if self.reference is not None and not self.counts[self.reference]:
            raise DataError(
                f"weights.reweight: the training set has no event of the reference class "
                f"'{self.classes[self.reference]}'"
            )
        if not totals.sum() > 0:
            raise DataError(
                f"the event weights of the {self.counts.sum()} training events add up to "
                f"{totals.sum():g}; check weights.event and weights.negative"
            )
