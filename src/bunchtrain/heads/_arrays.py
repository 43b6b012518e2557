"""Functions of the outputs of models, in their type: arrays of fitted models or tensors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from bunchtrain.batch import Array


def softmax(output: Any) -> Any:
    """Return the probabilities (batch, class) in single precision from logits (batch, class)."""
    if not isinstance(output, np.ndarray):
        return output.float().softmax(1)
    from scipy.special import log_softmax  # whose import takes as long as that of awkward

    return np.exp(log_softmax(output.astype(np.float32), axis=1))


def sigmoid(output: Any) -> Any:
    """Return 1/(1 + e^{−x}) in single precision, of the shape of x."""
    if not isinstance(output, np.ndarray):
        return output.float().sigmoid()
    from scipy.special import expit

    return expit(output.astype(np.float32))


def unbind(columns: Any) -> list[Any]:
    """Return the columns, (batch,) each, of (batch, column)."""
    return list(columns.T) if isinstance(columns, np.ndarray) else list(columns.unbind(1))


def stack(columns: Sequence[Any]) -> Any:
    """Return (batch, column) from the columns, (batch,) each."""
    if isinstance(columns[0], np.ndarray):
        return np.stack(columns, 1)
    import torch

    return torch.stack(list(columns), 1)


def weighted_quantiles(values: Array, weight: Array, levels: Array) -> Array:
    """Return the smallest value at which the sum of the weights reaches each level of the total.

    values  (events,).
    weight  (events,), not negative.
    levels  (level,) in (0, 1).
    """
    order = np.argsort(values, kind="stable")
    cumulative = np.cumsum(weight[order], dtype=np.float64)
    index = np.searchsorted(cumulative, levels * cumulative[-1])
    return np.asarray(values[order][np.minimum(index, len(values) - 1)])
