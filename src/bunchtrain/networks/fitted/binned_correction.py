"""Binned correction: the mean of the target in each cell of a grid.

The response in bins of pT and η is the standard calibration of jets (arXiv:1703.09665). The bin
edges are quantiles of each feature in the training set; the prediction is the mean target of the
event's cell, and the overall mean in an empty cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError
from bunchtrain.heads._head import Head
from bunchtrain.networks.layers.fit_models import Batches, FitModel, History
from bunchtrain.parts.ranges import Bins


class BinnedCorrection(FitModel):
    """Mean of the target in bins of the features (arXiv:1703.09665).

    table    number of features, the axes of the grid.
    outputs  number of outputs.
    bins     number of bins of each feature, of equal population.
    """

    supported_losses: ClassVar[Mapping[str, str]] = {"mean_squared_error": "mean"}

    def __init__(self, table: int, outputs: int, *, bins: Bins = 20) -> None:
        super().__init__(table, outputs)
        if bins < 1 or bins**table > 10**6:
            raise StudyError(
                f"model 'binned_correction': {bins} bins of {table} features make {bins**table} "
                "cells, more than a million; use fewer features or bins"
            )
        self.bins = bins
        self.edges = np.zeros((table, bins - 1), np.float32)  # (feature, bins − 1)
        self.means = np.zeros((bins**table, outputs), np.float32)  # (cell, outputs)

    @property
    def is_fitted(self) -> bool:
        """True once edges or means are set."""
        return bool(self.edges.any()) or bool(self.means.any())

    def check_is_fitted(self) -> None:
        """Accept a model whose means are all 0, as those of standardised values may be."""

    def arrays(self) -> dict[str, Array]:
        """Return edges and means."""
        return {"edges": self.edges, "means": self.means}

    def load_state(self, state: Mapping[str, Any]) -> None:
        """Set edges and means."""
        self.edges = state["edges"].reshape(self.edges.shape)
        self.means = state["means"].reshape(self.means.shape)

    def evaluate(self, arrays: Mapping[str, Any], table: Any) -> Any:
        """Return the mean of the cell of each event, (batch, outputs)."""
        return arrays["means"][self._cells(arrays["edges"], table)]

    def cells(self, table: Array) -> Array:
        """Return the cell index of each event, (batch,)."""
        return np.asarray(self._cells(self.edges, table))

    def _cells(self, edges: Any, table: Any) -> Any:
        bins = (table[:, :, None] >= edges).sum(2)  # (batch, feature)
        return sum(bins[:, k] * self.bins**k for k in range(self.features))

    def fit(
        self, training: Batches, validation: Batches, loss: Head, seed: int, threads: int
    ) -> History:
        """Fit edges and means; return the losses.

        Raises StudyError for another loss than the squared error, which the mean minimises.
        """
        self.check_loss(loss)
        batches = list(training)
        table = np.concatenate([batch.inputs["table"] for batch in batches])
        values = np.concatenate([batch.targets[loss.target.name] for batch in batches])
        weight = np.concatenate([batch.weight for batch in batches])
        quantiles = np.arange(1, self.bins) * len(table) // self.bins
        self.edges = np.sort(table, axis=0)[quantiles].T.astype(np.float32)
        self._fit_means(self.cells(table), values.astype(np.float64), weight.astype(np.float64))
        return [self.mean_losses(loss, training, validation)]

    def _fit_means(self, cells: Array, values: Array, weight: Array) -> None:
        count = len(self.means)
        total = np.bincount(cells, weight, minlength=count)
        sums = np.stack([np.bincount(cells, weight * v, minlength=count) for v in values.T], 1)
        means = np.where(
            (total > 0)[:, None],
            sums / np.maximum(total, 1e-30)[:, None],
            sums.sum(0) / total.sum(),
        )
        self.means = means.astype(np.float32)
