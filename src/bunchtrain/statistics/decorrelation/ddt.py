"""Designed decorrelated tagger, DDT: a linear transformation of a score (arXiv:1603.00027).

s' = s − a (v − v₀), with a the slope against v of the cut on s that lets the same fraction of
background pass at every v.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics.efficiency import Floats, effective_count, ones_or
from bunchtrain.statistics.metrics.quantile import quantile

#: Effective events that a bin needs for its quantile to be used.
LEAST = 20


@dataclass(frozen=True)
class Ddt:
    """s' = s − slope (v − centre); for jets, v is often ρ = ln(m²/pT²)."""

    slope: float
    centre: float

    @classmethod
    def fit(
        cls,
        scores: NDArray[Any],
        values: NDArray[Any],
        mistag: float,
        edges: NDArray[Any],
        weights: NDArray[Any] | None = None,
    ) -> Ddt:
        """Return the transformation at a working point.

        Args:
            scores: (events,) of background, large for signal.
            values: (events,) of the column.
            mistag: Background efficiency ε_B of the working point.
            edges: (bins + 1,) in which the cut is found, in the column's unit.
            weights: (events,) or None for equal weights.

        Raises:
            DataError: fewer than two bins hold enough events.
        """
        w = ones_or(weights, len(scores))
        place = np.digitize(values, edges) - 1
        inside = [place == number for number in range(len(edges) - 1)]
        bins = [c for c in inside if w[c].sum() > 0 and effective_count(w[c]) >= LEAST]
        if len(bins) < 2:
            raise DataError(
                f"DDT needs two bins of at least {LEAST} background events, and {len(bins)} of "
                f"{len(inside)} have them; choose other edges"
            )
        at = np.array([np.average(values[c], weights=w[c]) for c in bins])
        cuts = np.array([quantile(scores[c], 1 - mistag, w[c]) for c in bins])
        counts = np.array([effective_count(w[c]) for c in bins])  # ∝ 1/σ² of the cuts
        centre = np.average(at, weights=counts)
        slope = np.sum(counts * (at - centre) * cuts) / np.sum(counts * (at - centre) ** 2)
        return cls(float(slope), float(centre))

    def __call__(self, scores: NDArray[Any], values: NDArray[Any]) -> Floats:
        """Return the transformed scores, (events,)."""
        return np.asarray(scores - self.slope * (values - self.centre), np.float64)
