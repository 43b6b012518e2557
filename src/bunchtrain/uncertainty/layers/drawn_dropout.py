"""Dropout that goes on after the training, one mask a draw (arXiv:1506.02142)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.uncertainty.layers.drawn import Drawn


class DrawnDropout(Drawn):
    """Dropout: another mask an event in training, one mask for all events in a draw.

    layer   the dropout whose probability it takes.
    """

    def __init__(self, layer: nn.Dropout) -> None:
        super().__init__()
        self.p = layer.p

    def forward(self, inputs: Tensor) -> Tensor:
        """Return inputs (..., units), some units zero and the others scaled by 1/(1 − p)."""
        if not self.drawing:
            return functional.dropout(inputs, self.p, self.training)
        if self.drawn is None:
            units = inputs.new_ones(inputs.shape[-1])
            self.drawn = torch.bernoulli(units * (1 - self.p)) / (1 - self.p)
        return inputs * self.drawn
