"""Binned correction: the mean of the target in each cell of a grid.

The response in bins of pT and η is the standard calibration of jets (arXiv:1703.09665). The bin
edges are quantiles of each feature in the training set; the prediction is the mean target of the
event's cell, and the overall mean in an empty cell.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import ClassVar

import torch
from torch import Tensor

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

    edges: Tensor  # (feature, bins − 1)
    means: Tensor  # (cell, outputs)

    def __init__(self, table: int, outputs: int, *, bins: Bins = 20) -> None:
        super().__init__(table, outputs)
        if bins < 1 or bins**table > 10**6:
            raise StudyError(
                f"model 'binned_correction': {bins} bins of {table} features make {bins**table} "
                "cells, more than a million; use fewer features or bins"
            )
        self.bins = bins
        self.register_buffer("edges", torch.zeros(table, bins - 1))
        self.register_buffer("means", torch.zeros(bins**table, outputs))

    @property
    def is_fitted(self) -> bool:
        """True once edges or means are set."""
        return bool(self.edges.any()) or bool(self.means.any())

    def forward(self, table: Tensor) -> Tensor:
        """Return (batch, outputs) from `table` (batch, feature)."""
        return self.means[self.cells(table)]

    def cells(self, table: Tensor) -> Tensor:
        """Return the cell index of each event, (batch,)."""
        bins = (table[:, :, None] >= self.edges).sum(2)  # (batch, feature)
        factors = self.bins ** torch.arange(table.shape[1], device=table.device)
        return (bins * factors).sum(1)

    def fit(
        self, training: Batches, validation: Batches, loss: Head, seed: int, threads: int
    ) -> History:
        """Fit edges and means; return the losses.

        Raises StudyError for another loss than the squared error, which the mean minimises.
        """
        self.check_loss(loss)
        table = torch.cat([batch.inputs["table"] for batch in training])
        values = torch.cat([batch.targets[loss.target.name] for batch in training])
        weight = torch.cat([batch.weight for batch in training])
        quantiles = torch.arange(1, self.bins) * len(table) // self.bins
        self.edges.copy_(table.sort(0).values[quantiles].T)
        self._fit_means(self.cells(table), values.double(), weight.double())
        return [self.mean_losses(loss, training, validation)]

    def _fit_means(self, cells: Tensor, values: Tensor, weight: Tensor) -> None:
        total = torch.zeros(len(self.means), dtype=torch.float64).index_add(0, cells, weight)
        sums = torch.zeros(self.means.shape, dtype=torch.float64)
        sums.index_add_(0, cells, weight[:, None] * values)
        overall = sums.sum(0) / total.sum()
        filled = (total > 0)[:, None]
        self.means.copy_(torch.where(filled, sums / total.clamp(min=1e-30)[:, None], overall))
