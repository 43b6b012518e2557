"""Fixed-efficiency regression: a score less its own cut of constant background efficiency.

s' = s − q(v), with q the quantile of the background's score at 1 − ε_B as a function of any
columns v, found by boosted trees with the pinball loss; it is DDT (arXiv:1603.00027) without the
straight line. The cut s' > 0 lets a fraction ε_B of background pass at every v.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.ensemble import HistGradientBoostingRegressor

from bunchtrain.statistics.metrics.efficiency import Floats, ones_or


@dataclass(frozen=True)
class QuantileRegression:
    """s' = s − q(v) with trees for q."""

    trees: HistGradientBoostingRegressor

    @classmethod
    def fit(
        cls,
        scores: NDArray[Any],
        values: NDArray[Any],
        mistag: float,
        weights: NDArray[Any] | None = None,
        *,
        leaves: int = 8,
        seed: int = 1,
    ) -> QuantileRegression:
        """Return the transformation at a working point.

        Args:
            scores: (events,) of background, large for signal.
            values: (events,) of a column or (events, columns).
            mistag: Background efficiency ε_B of the working point.
            weights: (events,) or None for equal weights.
            leaves: of each tree.
            seed: of the trees.
        """
        trees = HistGradientBoostingRegressor(
            loss="quantile",
            quantile=1 - mistag,
            max_leaf_nodes=leaves,
            min_samples_leaf=max(20, int(5 / min(mistag, 1 - mistag))),
            early_stopping=False,
            random_state=seed,
        )
        trees.fit(_columns(values), scores, ones_or(weights, len(scores)))
        return cls(trees)

    def __call__(self, scores: NDArray[Any], values: NDArray[Any]) -> Floats:
        """Return the transformed scores, (events,)."""
        return np.asarray(scores - self.trees.predict(_columns(values)), np.float64)


def _columns(values: NDArray[Any]) -> NDArray[Any]:
    values = np.asarray(values)
    return values[:, None] if values.ndim == 1 else values
