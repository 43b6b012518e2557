"""The embedding of pairs of particles, in chunks that fit in the cache.

For a pair with features f, the first layer, its normalisation and that of f are one map A f + t,
given by mean and covariance of f:

    h¹ = A f + t,   zˡ = Wˡ gelu(hˡ⁻¹),   hˡ = sˡ zˡ + tˡ,

with s and t as in `edge_layers`. Saved for the backward pass are zˡ and gelu(hˡ⁻¹).
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from bunchtrain.networks.layers.cpu_kernels import BufferPool, add_product, affine, product_into
from bunchtrain.networks.layers.normalisation import (
    Norm,
    Sums,
    combine_moments,
    norm_backward,
    norm_of,
)

CHUNK = 2**17  # values of a chunk of one layer


def moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Return mean (feature,) and covariance (feature, feature) of features (pairs, feature)."""
    mean = features.mean(0)
    centred = features - mean
    return mean, centred.t() @ centred / len(features)


def infer(features: Tensor, layers: list[tuple[Tensor, Tensor]]) -> Tensor:
    """Return the last layer (pairs, out), batch normalisation folded into weights and biases.

    A layer is weight (out, in) and bias (out,). No gradient.
    """
    (weight, bias), *later = layers
    step, found = max(1, CHUNK // len(bias)), []
    for part in torch.split(features, step):
        values = affine(part, weight, bias)
        for further, shift in later:
            values = affine(functional.gelu(values), further, shift)
        found.append(values)
    return torch.cat(found)


class PairLayers(torch.autograd.Function):
    """The layers after A f + t, each normalised over all pairs."""

    @staticmethod
    def forward(
        ctx: Any,
        features: Tensor,
        first: Tensor,
        shift: Tensor,
        epsilon: float,
        *parameters: Tensor,
    ) -> tuple[Tensor, ...]:
        """Return h of the last layer (pairs, channel), then mean and variance of each (channel,).

        `first` is A (out, feature), `shift` t (out,); `parameters` are weight (out, in), γ and β
        (out,) of each further layer. The features have no gradient.
        """
        run = _Run(features, first, shift)
        statistics: list[Tensor] = []
        for weight, gamma, beta in zip(*(parameters[i::3] for i in range(3)), strict=True):
            statistics += run.append(weight, gamma, beta, epsilon)
        ctx.run = run
        ctx.save_for_backward(*parameters[::3])
        ctx.mark_non_differentiable(*statistics)
        s, t, *_ = run.norms[-1]
        return (torch.addcmul(t, run.saved_z[-1], s), *statistics)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of A, t and the parameters."""
        weights, run = ctx.saved_tensors, ctx.run
        pool, sums, dh = BufferPool(), Sums(gradient), gradient
        sums.add(gradient, run.saved_z[-1], out=torch.empty_like(gradient))
        gradients: tuple[Tensor, ...] = ()
        for depth in range(len(weights) - 1, -1, -1):
            dh, sums, found = _layer_backward(run, depth, dh, sums, weights[depth], pool)
            gradients = (*found, *gradients)
        pool.release()
        if not torch._C._autograd._get_current_graph_task_keep_graph():
            run.pool.release()  # this gradient cannot be computed again
        return (None, run.d_first, sums.dy, None, *gradients)


class _Run:
    """State saved by a forward pass: the features, z of the further layers, and their norms."""

    def __init__(self, features: Tensor, first: Tensor, shift: Tensor) -> None:
        self.features, self.first, self.shift = features, first, shift
        self.d_first = torch.zeros_like(first)
        self.saved_z: list[Tensor] = []  # (pairs, channel) each
        self.active: list[Tensor] = []  # gelu(h) before each further layer
        self.norms: list[Norm] = []
        self.pool = BufferPool()
        step, count = max(1, CHUNK // len(shift)), len(features)
        self.chunks = [slice(at, min(at + step, count)) for at in range(0, count, step)]

    def before_activation(self, layer: int, part: slice) -> Tensor:
        """Return h of a layer for some pairs: (pairs, channel)."""
        if layer == 0:
            return affine(self.features[part], self.first, self.shift)
        s, t, *_ = self.norms[layer - 1]
        return torch.addcmul(t, self.saved_z[layer - 1][part], s)

    def append(
        self, weight: Tensor, gamma: Tensor, beta: Tensor, epsilon: float
    ) -> tuple[Tensor, Tensor]:
        """Compute z of the next layer and its norm; return mean and variance."""
        count, found = len(self.features), []
        saved = self.pool.acquire((count, len(weight)), weight)
        active = self.pool.acquire((count, weight.shape[1]), weight)
        for part in self.chunks:
            h = self.before_activation(len(self.saved_z), part)
            z = product_into(saved[part], torch.ops.aten.gelu.out(h, out=active[part]), weight)
            found.append((len(z), *torch.batch_norm_update_stats(z, None, None, 0.0)))
        mean, variance = combine_moments(found)
        self.saved_z.append(saved)
        self.active.append(active)
        self.norms.append(norm_of(mean, variance, gamma, beta, epsilon))
        return mean, variance


def _layer_backward(
    run: _Run, depth: int, dh: Tensor, sums: Sums, weight: Tensor, pool: BufferPool
) -> tuple[Tensor, Sums, tuple[Tensor, Tensor, Tensor]]:
    """Return dh of the layer below and its sums; dW, dγ and dβ of this layer."""
    norm, saved = run.norms[depth], run.saved_z[depth]
    d_gamma, d_beta, b, c = norm_backward(norm, sums, len(saved))
    d_weight, sums, transposed = torch.zeros_like(weight), Sums(weight), weight.t().contiguous()
    below = pool.acquire((len(saved), weight.shape[1]), weight) if depth else dh
    for part in run.chunks:
        h = run.before_activation(depth, part)
        dz = torch.addcmul(b, saved[part], c).addcmul_(dh[part], norm.s)
        add_product(d_weight, dz, run.active[depth][part])
        da = affine(dz, transposed)
        into = below[part] if depth else da
        torch.ops.aten.gelu_backward.grad_input(da, h, grad_input=into)
        if depth:
            sums.add(into, run.saved_z[depth - 1][part], out=h)
        else:
            run.d_first += (run.features[part].t() @ da).t()  # faster than daᵀ f
            sums.dy += da.sum(0)
    return below, sums, (d_weight, d_gamma, d_beta)
