"""The sum over the points of a jet of dense layers, in chunks that fit in the cache.

    Σ_i w_i Φ(p_i),   Φ = relu(W_n … relu(W₁ p + b₁) … + b_n)

Saved for the backward pass are the rows after each ReLU, which also give its mask. The gradient of
the sum is the same for all points of a jet: it is gathered chunk by chunk, and overwritten by that
of the layers below.
"""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, fx, nn

from bunchtrain.networks.layers.cpu_kernels import (
    BufferPool,
    add_product,
    product_with_relu,
    runs_in_chunks,
)
from bunchtrain.networks.layers.packing import segment_ids

CHUNK = 2**17  # values of a chunk of the widest layer


def sum_of_points(
    layers: nn.Sequential, points: Tensor, lengths: Tensor, weights: Tensor | None = None
) -> Tensor:
    """Return Σ_i w_i Φ(p_i) of each jet, (batch, width), where `sums_in_chunks`.

    layers   Φ, linear layers with ReLU.
    points   (points, feature), packed.
    lengths  (batch,), points of each jet.
    weights  (points,) w_i, 1 if None.
    """
    parameters = list(layers.parameters())  # W₁, b₁, W₂, …
    jet = segment_ids(lengths, len(points))
    total: Tensor = DeepSet.apply(points, jet, len(lengths), weights, *parameters)  # type: ignore[no-untyped-call]
    return total


def sums_in_chunks(
    layers: nn.Sequential, points: Tensor | fx.Proxy, weights: Tensor | None = None
) -> bool:
    """Return whether `sum_of_points` computes these layers: on a CPU, without further gradients."""
    if isinstance(points, fx.Proxy) or points.requires_grad:
        return False
    constant = weights is None or not weights.requires_grad
    return constant and _rectified(layers) and runs_in_chunks(layers, points)


def _rectified(layers: nn.Sequential) -> bool:
    """Return whether layers are linear ones with bias, each with ReLU, and there are any."""
    modules = list(layers)
    linear, active = modules[::2], modules[1::2]
    return (
        0 < len(linear) == len(active)
        and all(type(m) is nn.Linear and m.bias is not None for m in linear)
        and all(type(m) is nn.ReLU for m in active)
    )


class DeepSet(torch.autograd.Function):
    """Σ_i w_i Φ(p_i); points and weights have no gradient."""

    @staticmethod
    def forward(
        ctx: Any, points: Tensor, jet: Tensor, jets: int, weights: Tensor | None, *layers: Tensor
    ) -> Tensor:
        """Return (jets, width); `jet` (points,) is that of each point, `layers` are W₁, b₁ …."""
        matrices, biases = layers[::2], layers[1::2]
        total = points.new_zeros(jets, len(matrices[-1]))
        saves, pool = any(ctx.needs_input_grad), BufferPool()
        step = max(1, CHUNK // max(len(bias) for bias in biases))
        rows = len(points) if saves else min(step, len(points))
        after = [pool.acquire((rows, len(bias)), points) for bias in biases]
        for part in chunks(len(points), step):
            values, place = points[part], part if saves else slice(0, part.stop - part.start)
            for matrix, bias, out in zip(matrices, biases, after, strict=True):
                values = product_with_relu(out[place], values, matrix, bias)
            total.index_add_(0, jet[part], _times(values, weights, part))
        if saves:
            ctx.save_for_backward(points, jet, weights, *matrices)
            ctx.after, ctx.pool, ctx.step = after, pool, step
        return total

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of matrices and biases."""
        points, jet, weights, *matrices = ctx.saved_tensors
        found = [points.new_zeros(shape) for m in matrices for shape in (m.shape, (len(m),))]
        inputs = [points, *ctx.after]
        for part in chunks(len(points), ctx.step):
            d = gradient.index_select(0, jet[part])
            if weights is not None:
                d *= weights[part, None]
            for depth in range(len(matrices) - 1, -1, -1):
                below, after = (one[part] for one in inputs[depth : depth + 2])
                torch.ops.aten.threshold_backward.grad_input(d, after, 0, grad_input=d)
                add_product(found[2 * depth], d, below)
                found[2 * depth + 1] += d.sum(0)
                d = d @ matrices[depth] if depth else d
        if not torch._C._autograd._get_current_graph_task_keep_graph():
            ctx.pool.release()  # this gradient cannot be computed again
        return (None, None, None, None, *found)


def chunks(count: int, step: int) -> list[slice]:
    """Return the slices of at most `step` rows that make `count`."""
    ends = [*range(0, count, step), count]
    return [slice(low, high) for low, high in pairwise(ends)]


def _times(values: Tensor, weights: Tensor | None, part: slice) -> Tensor:
    return values if weights is None else values * weights[part, None]
