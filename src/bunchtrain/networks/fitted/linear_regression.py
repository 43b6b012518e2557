"""Linear regression: weights of features by least squares, as in software compensation.

W and b minimise Σ w |W x + b − y|² + λ |W|² of the standardised features. With the parts of the
energy of a shower in bins of the energy density of its cells as features, times powers of
its energy, the weights are those of software compensation (arXiv:1207.4210): dense cells, of
electromagnetic origin, count less than others.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import numpy as np

from bunchtrain.heads._head import Head
from bunchtrain.networks.layers.fit_models import (
    Batches,
    History,
    LinearFitModel,
    load_training_sample,
)
from bunchtrain.parts.ranges import NonNegative


class LinearRegression(LinearFitModel):
    """Linear least squares, e.g. for the weights of software compensation (arXiv:1207.4210).

    table    Number of features.
    outputs  Number of values.
    l2       Penalty λ |W|² of standardised features, per unit of the sum of event weights.
    """

    supported_losses: ClassVar[Mapping[str, str]] = {"mean_squared_error": "least_squares"}

    def __init__(self, table: int, outputs: int, *, l2: NonNegative = 1e-6) -> None:
        super().__init__(table, outputs)
        self.l2 = l2

    def fit(
        self, training: Batches, validation: Batches, loss: Head, *, seed: int, threads: int
    ) -> History:
        """Fit W and b; return the losses. Features that are constant have weight 0.

        Raises StudyError for another loss than the squared error, DataError without events.
        """
        self.check_loss(loss)
        events = load_training_sample(training, loss)
        share = events.weight.astype(np.float64)
        share = (share / share.sum())[:, None]
        x, y = events.table.astype(np.float64), events.target.astype(np.float64)
        y = y.reshape(len(y), -1)
        mean, centre = (share * x).sum(0), (share * y).sum(0)
        spread = np.sqrt((share * (x - mean) ** 2).sum(0))
        varies = spread > 1e-7 * np.abs(mean)  # beyond rounding
        spread = np.where(varies, spread, 1)
        scaled = varies * (x - mean) / spread
        matrix = scaled.T @ (share * scaled) + self.l2 * np.eye(len(mean))
        weight = np.linalg.lstsq(matrix, scaled.T @ (share * (y - centre)), rcond=None)[0]
        weight = (weight / spread[:, None]).T
        self.set_parameters(weight, centre - weight @ mean)
        return [self.mean_losses(loss, training, validation)]
