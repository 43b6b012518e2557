"""Training weights.

The weight of an event is its event weight, times a factor that reweights the spectra of its class
to those of the reference class, times a factor that gives all classes the same sum; the factors are
computed from the training set alone. The weights of the training set have mean one, so that the
effective learning rate does not depend on the unit of the event weights.

The factors of the reweighting leave the sum of weights of a class as it is, and none of them is
above the limit: r_i → min(c r_i, limit), where c is such that the sum is unchanged. If the limit
for all bins is not enough for that, the sum is lower.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest, one_of
from bunchtrain.tables.expressions.expression import as_real
from bunchtrain.tables.labels import finite_values, require_finite

Floats = NDArray[np.float64]
Policy = Literal["raise", "keep", "absolute", "drop"]


def event_weights(
    events: ak.Array, entries: NDArray[np.int64], text: str | None, negative: Policy
) -> Floats:
    """Return the event weights (events,), 1 without an expression; dropped weights are NaN.

    Raises DataError, naming the entry, for NaN, infinity, or negative weights if the policy is
    `raise`.
    """
    if text is None:
        return np.ones(len(entries))
    weights = finite_values(events, text, "weights.event", entries)
    is_negative = weights < 0
    if negative == "raise" and is_negative.any():
        first = int(np.flatnonzero(is_negative)[0])
        raise DataError(
            f"weights.event: '{text}' is {weights[first]:g} at entry {entries[first]}; "
            "set weights.negative to keep, absolute or drop"
        )
    if negative == "absolute":
        return np.abs(weights)
    return np.where(is_negative, np.nan, weights) if negative == "drop" else weights


class Spectra:
    """Histograms of variables of the training events per class, and the weight factors from them.

    Without variables there is one bin. Underflow and overflow are bins like the others.
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
            self._set_reweighting(reweight)
        if balance and not self.classes:
            raise StudyError("weights.balance needs a target with classes; there is none")
        self.shape = tuple(len(edges) + 1 for edges in self.edges)
        self.sums = np.zeros((max(1, len(self.classes)), int(np.prod(self.shape))))
        self.events = np.zeros(self.sums.shape, dtype=np.int64)  # (class, bin)

    @property
    def counts(self) -> NDArray[np.int64]:
        """Number of events of each class."""
        counts: NDArray[np.int64] = self.events.sum(1)
        return counts

    def _set_reweighting(self, reweight: Mapping[str, Any]) -> None:
        reference = str(reweight["reference"])
        if reference not in self.classes:
            hint = (
                nearest(reference, self.classes) or f"; there are {one_of(self.classes) or 'none'}"
            )
            raise StudyError(f"weights.reweight.reference: there is no class '{reference}'{hint}")
        self.reference = self.classes.index(reference)
        self.variables = list(reweight["variables"])
        self.edges = [np.asarray(edges, dtype=float) for edges in reweight["variables"].values()]
        self.limit = float(reweight.get("limit", 10.0))
        for name, edges in zip(self.variables, self.edges, strict=True):
            if len(edges) < 2 or not (np.diff(edges) > 0).all():
                raise StudyError(
                    f"weights.reweight.variables.{name}: give at least two increasing bin edges"
                )

    def bins(self, events: ak.Array, entries: NDArray[np.int64]) -> NDArray[np.int32]:
        """Return the bin index of each event, (events,)."""
        index = np.zeros(len(entries), dtype=np.int64)
        for name, edges in zip(self.variables, self.edges, strict=True):
            values = as_real(events[name], name)
            require_finite(values, f"weights.reweight.variables: column '{name}'", entries)
            index = index * (len(edges) + 1) + np.digitize(values, edges)
        return index.astype(np.int32)

    def fill(self, classes: NDArray[np.int64], bins: NDArray[np.int32], weights: Floats) -> None:
        """Add training events: class index, bin index and event weight, (events,) each."""
        flat = classes * self.sums.shape[1] + bins
        self.sums += np.bincount(flat, weights, self.sums.size).reshape(self.sums.shape)
        self.events += np.bincount(flat, minlength=self.sums.size).reshape(self.sums.shape)

    def factors(self) -> Floats:
        """Return the factors on the event weights, (class, bin).

        Raises DataError if the training set has one class only, or weights that sum to 0.
        """
        totals = self.sums.sum(1)  # (class,)
        self._check(totals)
        present = self.counts > 0
        factor = self._reweighting(totals)
        sums = (self.sums * factor).sum(1)
        if (empty := np.flatnonzero(present & ~(sums > 0))).size and (
            self.balance or self.reference is not None
        ):
            raise DataError(
                f"weights: the training weights of class '{self.classes[empty[0]]}' sum to "
                f"{sums[empty[0]]:g}; change weights.negative or the bins of weights.reweight"
            )
        target = np.where(self._at_limit(factor).any(1), sums, totals)
        if self.balance:
            target[present] = totals.sum() / present.sum()
        scale = np.divide(target, sums, out=np.ones_like(target), where=sums != 0)
        factors: Floats = factor * scale[:, None] * self.counts.sum() / target.sum()
        return factors

    def capped(self) -> dict[str, int]:
        """Return class → training events whose reweighting factor is the limit."""
        if self.reference is None:
            return {}
        at_limit = self._at_limit(self._reweighting(self.sums.sum(1)))
        counts = (self.events * at_limit).sum(1).tolist()
        return {name: n for name, n in zip(self.classes, counts, strict=True) if n}

    def _at_limit(self, factor: Floats) -> NDArray[np.bool_]:
        return (factor >= self.limit) & (self.events > 0)

    def _reweighting(self, totals: Floats) -> Floats:
        """Return the factors (class, bin) that reweight spectra, none above the limit.

        Those of a class without a factor at the limit are to be scaled to its sum of weights.
        """
        if self.reference is None:
            return np.ones_like(self.sums)
        shape = self.sums / np.where(totals != 0, totals, 1)[:, None]
        reference = np.broadcast_to(shape[self.reference].clip(min=0), shape.shape)
        empty = np.where(reference > 0, self.limit, 0.0)
        ratio: Floats = np.divide(reference, shape, out=empty, where=shape > 0)
        pairs = zip(ratio, self.sums, totals, strict=True)
        return np.stack([_bounded(one, sums, total, self.limit) for one, sums, total in pairs])

    def _check(self, totals: Floats) -> None:
        present = [name for name, count in zip(self.classes, self.counts, strict=False) if count]
        if len(self.classes) > 1 and len(present) == 1:
            raise DataError(
                f"the training set has events of class '{present[0]}' only; "
                "check the conditions of the classes, 'select' and the source"
            )
        if self.reference is not None and not self.counts[self.reference]:
            raise DataError(
                f"weights.reweight: the training set has no event of the reference class "
                f"'{self.classes[self.reference]}'"
            )
        if not totals.sum() > 0:
            raise DataError(
                f"the event weights of the {self.counts.sum()} training events sum to "
                f"{totals.sum():g}; check weights.event and weights.negative"
            )


def _bounded(ratio: Floats, sums: Floats, total: float, limit: float) -> Floats:
    """Return min(c ratio, limit), (bins,), with c such that the sum of weights stays the total.

    The ratio itself if none is at the limit.
    """
    at_limit = (sums <= 0) & (ratio >= limit)  # bins without events
    rest, found = total, ratio
    while rest > 0 and (scaled := (sums * np.where(at_limit, 0.0, ratio)).sum()) > 0:
        found = np.where(at_limit, limit, ratio * (rest / scaled))
        above = found > limit
        if not above.any():
            return found if (np.maximum(ratio, found)[sums > 0] >= limit).any() else ratio
        at_limit |= above
        rest = total - limit * sums[at_limit].sum()
    return np.where(ratio > 0, np.minimum(limit, found), 0.0)
