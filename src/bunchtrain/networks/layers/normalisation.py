"""Batch normalisation over packed rows, and over rows that are computed in chunks."""

from __future__ import annotations

from typing import NamedTuple

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


class Norm(NamedTuple):
    """Normalisation y = s z + t of a layer, mean of z, and r = 1/√(Var z + ε): (channel,) each."""

    s: Tensor
    t: Tensor
    mean: Tensor
    r: Tensor


def norm_of(mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor, epsilon: float) -> Norm:
    """Return the normalisation by mean and variance of all rows, (channel,) each."""
    r = (variance + epsilon).rsqrt()
    return Norm(gamma * r, torch.addcmul(beta, mean, gamma * r, value=-1), mean, r)


def combine_moments(chunks: list[tuple[int, Tensor, Tensor]]) -> tuple[Tensor, Tensor]:
    """Return mean and variance of all rows from count, mean and variance of the chunks."""
    counts, means, variances = zip(*chunks, strict=True)
    each = torch.stack(means)
    share = torch.tensor(counts, dtype=each.dtype, device=each.device) / sum(counts)
    mean = share @ each
    return mean, share @ (torch.stack(variances) + (each - mean).square())


class Sums:
    """Σ dy and Σ dy·z over all rows, accumulated chunk by chunk."""

    def __init__(self, like: Tensor) -> None:
        self.dy, self.dy_z = like.new_zeros(2, like.shape[-1])

    def add(self, dy: Tensor, z: Tensor, out: Tensor) -> None:
        """Add a chunk (rows, channel); the buffer `out` is overwritten by the product."""
        self.dy += dy.sum(0)
        self.dy_z += torch.mul(dy, z, out=out).sum(0)


def norm_backward(norm: Norm, sums: Sums, count: int) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return dγ, dβ, and b and c of dz = s dy + b + c z: (channel,) each."""
    s, _, mean, r = norm
    d_beta = sums.dy
    d_gamma = r * (sums.dy_z - mean * d_beta)
    c = -s * r * d_gamma / count
    return d_gamma, d_beta, -s * d_beta / count - c * mean, c
