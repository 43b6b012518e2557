"""Batch normalisation over packed rows."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional


def normalise(values: Tensor, norm: nn.Module) -> Tensor:
    """Return batch-normalised values; by the running moments where a single row has no variance."""
    assert isinstance(norm, nn.BatchNorm1d)
    if norm.training and values.shape[0] > 1:
        normalised: Tensor = norm(values)
        return normalised
    mean, variance = norm.running_mean, norm.running_var
    return functional.batch_norm(values, mean, variance, norm.weight, norm.bias, eps=norm.eps)


def fold(norm: nn.Module) -> tuple[Tensor, Tensor]:
    """Return s and t of s·z + t, which equals batch normalisation by the running moments."""
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    scale = norm.weight * (norm.running_var + norm.eps).rsqrt()
    return scale, torch.addcmul(norm.bias, norm.running_mean, scale, value=-1)


@torch.no_grad()
def update_running_moments(norm: nn.Module, mean: Tensor, variance: Tensor, count: int) -> None:
    """Update the running moments by mean and variance of `count` rows, as batch normalisation."""
    assert isinstance(norm, nn.BatchNorm1d)
    assert norm.running_mean is not None
    assert norm.running_var is not None
    assert norm.num_batches_tracked is not None
    norm.num_batches_tracked += 1
    norm.running_mean.lerp_(mean, norm.momentum or 0.1)
    norm.running_var.lerp_(variance * count / (count - 1), norm.momentum or 0.1)
