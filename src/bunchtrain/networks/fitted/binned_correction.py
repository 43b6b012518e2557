"""Correction in bins: the mean of the target in each cell of a grid, as jets are calibrated.

The measured response in bins of pT and η is the field's calibration of jets (arXiv:1703.09665).
The cells have edges at quantiles of each feature in the training set; an event gets the mean target
of its cell, and one in an empty cell the mean of all. It is fitted at once, like trees.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from bunchtrain.batch import Batch
from bunchtrain.errors import StudyError

if TYPE_CHECKING:
    from bunchtrain.heads._loss import Loss


class BinnedCorrection(nn.Module):
    """Mean of the target in bins of the features (arXiv:1703.09665).

    table    number of features, the axes of the grid.
    outputs  number of outputs.
    bins     number of bins of each feature, of equal population.
    """

    edges: Tensor  # (feature, bins − 1)
    means: Tensor  # (cell, outputs)

    def __init__(self, table: int, outputs: int, *, bins: int = 20) -> None:
        super().__init__()
        if bins < 1 or bins**table > 10**6:
            raise StudyError(
                f"model 'binned_correction': {bins} bins of {table} features make {bins**table} "
                "cells, more than a million; take fewer features or bins"
            )
        self.bins = bins
        self.register_buffer("edges", torch.zeros(table, bins - 1))
        self.register_buffer("means", torch.zeros(bins**table, outputs))

    def forward(self, table: Tensor) -> Tensor:
        """Return (batch, outputs) from `table` (batch, feature)."""
        return self.means[self.cells(table)]

    def cells(self, table: Tensor) -> Tensor:
        """Return the number of the cell of each event, (batch,)."""
        places = (table[:, :, None] >= self.edges).sum(2)  # (batch, feature)
        factors = self.bins ** torch.arange(table.shape[1], device=table.device)
        return (places * factors).sum(1)

    def fit(
        self,
        training: Iterable[Batch],
        validation: Iterable[Batch],
        objective: Loss,
        seed: int,
        threads: int,
    ) -> list[dict[str, float]]:
        """Fit edges and means, and return the losses of training and validation.

        Raises StudyError for another objective than the squared error.
        """
        target = objective.target.name
        if type(objective).__name__ != "MeanSquaredError":
            raise StudyError(
                "model 'binned_correction' is the mean in each bin, which is the least squared "
                "error: use the objective 'mean_squared_error'"
            )
        table = torch.cat([batch.inputs["table"] for batch in training])
        values = torch.cat([batch.targets[target] for batch in training])
        weight = torch.cat([batch.weight for batch in training])
        self._fit_edges(table)
        self._fit_means(self.cells(table), values.double(), weight.double())
        return [
            {
                "training_loss": self._loss(training, objective),
                "validation_loss": self._loss(validation, objective),
            }
        ]

    def _fit_edges(self, table: Tensor) -> None:
        places = torch.arange(1, self.bins) * len(table) // self.bins
        self.edges.copy_(table.sort(0).values[places].T)

    def _fit_means(self, cells: Tensor, values: Tensor, weight: Tensor) -> None:
        total = torch.zeros(len(self.means), dtype=torch.float64).index_add(0, cells, weight)
        sums = torch.zeros(self.means.shape, dtype=torch.float64)
        sums.index_add_(0, cells, weight[:, None] * values)
        overall = sums.sum(0) / total.sum()
        filled = (total > 0)[:, None]
        self.means.copy_(torch.where(filled, sums / total.clamp(min=1e-30)[:, None], overall))

    def _loss(self, batches: Iterable[Batch], objective: Loss) -> float:
        name = objective.target.name
        found = [(objective({name: self(b.inputs["table"])}, b), b.weight) for b in batches]
        weight = sum(float(w.sum()) for _, w in found)
        return sum(float((w * loss).sum()) for loss, w in found) / weight
