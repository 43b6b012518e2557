"""The layers of an edge convolution along packed edges, in chunks that fit in the cache.

For an edge e from j to i, with P and Q given at the points,

    z¹ = P_j + Q_i,   zˡ = Wˡ aˡ⁻¹,   aˡ = relu(sˡ zˡ + tˡ),   x_i = mean over the edges of i of aᴸ,

s = γ r, t = β − s·Mean z, r = 1/√(Var z + ε), mean and variance over all edges. Only z², …, zᴸ are
saved for the backward pass, which is

    dy = da · [a > 0],   dβ = Σ dy,   dγ = Σ dy·ẑ,   ẑ = r (z − Mean z),
    dz = s (dy − dβ/edges − ẑ dγ/edges),   dWˡ = Σ dzˡ aˡ⁻¹ᵀ,   daˡ⁻¹ = Wˡᵀ dzˡ.

The first layer is normalised by sums over points: with P and Q centred, and m and n edges from and
to a point,

    edges · Var z¹ = Σ m P² + Σ n Q² + 2 Σ_i Q_i·Σ_{j→i} P_j,
    dP_j = Σ dz¹ over the edges from j,   dQ_i = Σ dz¹ over the edges to i.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from bunchtrain.networks.layers.cpu_kernels import (
    BufferPool,
    add_product,
    affine,
    product,
    product_into,
)
from bunchtrain.networks.layers.edges import Edges, bag_sum
from bunchtrain.networks.layers.normalisation import (
    Norm,
    Sums,
    combine_moments,
    norm_backward,
    norm_of,
)


def mean_of_edges(values: Tensor, edges: Edges, at: slice, part: slice) -> Tensor:
    """Return the mean over each point's edges, for the points and edges of a chunk."""
    members = torch.arange(len(values), device=values.device)
    total = bag_sum(values, members, edges.first[at] - part.start)
    return total.div_(edges.degree[at].clamp(min=1)[:, None])


def infer(
    sent: Tensor, received: Tensor, edges: Edges, layers: list[tuple[Tensor, Tensor]]
) -> Tensor:
    """Return the convolved points (points, channel), with batch normalisation folded into `layers`.

    A layer is weight (out, in) and bias (out,). No gradient.
    """
    convolved, table = [], torch.cat([sent, received])
    for at, part in edges.chunks(sent.shape[1]):
        values = edges.sum_endpoints(table, part).relu_()
        for weight, bias in layers:
            values = product(values, weight, bias, relu=True)
        convolved.append(mean_of_edges(values, edges, at, part))
    return torch.cat(convolved)


class EdgeLayers(torch.autograd.Function):
    """The layers, normalised over the edges of the batch, and the mean over neighbours."""

    @staticmethod
    def forward(
        ctx: Any, sent: Tensor, received: Tensor, edges: Edges, epsilon: float, *parameters: Tensor
    ) -> tuple[Tensor, ...]:
        """Return the points (points, channel), then mean and variance of each layer (channel,).

        `parameters` are γ and β (channel,) of the first layer, then weight (out, in), γ and β.
        """
        run = _Run(sent, received, edges, epsilon)
        run.normalise_first(*parameters[:2])
        for weight, gamma, beta in zip(*(parameters[i::3] for i in (2, 3, 4)), strict=True):
            run.append(weight, gamma, beta)
        convolved = [
            mean_of_edges(run.activation(run.last, part), edges, at, part)
            for at, part in run.chunks
        ]
        ctx.run = run
        ctx.save_for_backward(*parameters[2::3])
        ctx.mark_non_differentiable(*run.statistics)
        return (torch.cat(convolved), *run.statistics)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, gradient: Tensor, *_: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of P, Q and the parameters."""
        weights, run = ctx.saved_tensors, ctx.run
        pool = BufferPool()
        dy, sums = _pool_backward(run, gradient, pool)
        gradients: tuple[Tensor, ...] = ()
        for depth in range(run.last, 0, -1):
            dy, sums, found = _layer_backward(run, depth, dy, sums, weights[depth - 1], pool)
            gradients = (*found, *gradients)
        *d_points, d_gamma, d_beta = _scatter_to_points(run, dy)
        pool.release()
        if not torch._C._autograd._get_current_graph_task_keep_graph():
            run.pool.release()  # this gradient cannot be computed again
        return (*d_points, None, None, d_gamma, d_beta, *gradients)


class _Run:
    """State saved by a forward pass: P, Q, z of the layers from the second on, and all norms."""

    def __init__(self, sent: Tensor, received: Tensor, edges: Edges, epsilon: float) -> None:
        self.sent, self.received, self.edges, self.epsilon = sent, received, edges, epsilon
        self.count, self.chunks = len(edges.sender), edges.chunks(sent.shape[1])
        self.saved_z: list[Tensor] = []  # (edges, channel) each
        self.norms: list[Norm] = []
        self.statistics: list[Tensor] = []
        self.pool = BufferPool()

    @property
    def last(self) -> int:
        """Index of the last layer; that of the first is 0."""
        return len(self.saved_z)

    def activation(self, layer: int, part: slice) -> Tensor:
        """Return the activation a of a layer for some edges: (edges, channel)."""
        if layer == 0:
            return self.edges.sum_endpoints(self.table, part).relu_()
        s, t, *_ = self.norms[layer]
        return torch.addcmul(t, self.saved_z[layer - 1][part], s).relu_()

    def normalise_first(self, gamma: Tensor, beta: Tensor) -> None:
        """Centre P and Q; compute the first layer's norm and the table of normalised P and Q."""
        sends, receives = (n.to(gamma.dtype) for n in (self.edges.sent_degree, self.edges.degree))
        shifts = sends @ self.sent / self.count, receives @ self.received / self.count
        self.sent, self.received = self.sent - shifts[0], self.received - shifts[1]
        self.sent_sum = bag_sum(self.sent, self.edges.sender, self.edges.first)
        squares = sends @ self.sent.square() + receives @ self.received.square()
        products = (self.received * self.sent_sum).sum(0)
        variance = ((squares + 2 * products) / self.count).clamp_(min=0)
        self._normalise(torch.zeros_like(beta), variance, gamma, beta)
        self.statistics = [shifts[0] + shifts[1], variance]
        s = self.norms[0].s
        self.table = torch.cat([self.sent * s, torch.addcmul(beta, self.received, s)])

    def append(self, weight: Tensor, gamma: Tensor, beta: Tensor) -> None:
        """Compute z of the next layer and its norm."""
        saved, moments = self.pool.acquire((self.count, len(weight)), weight), []
        for _, part in self.chunks:
            z = product_into(saved[part], self.activation(self.last, part), weight)
            if len(z):
                moments.append((len(z), *torch.batch_norm_update_stats(z, None, None, 0.0)))
        self.saved_z.append(saved)
        self.statistics += self._normalise(*combine_moments(moments), gamma, beta)

    def _normalise(
        self, mean: Tensor, variance: Tensor, gamma: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor]:
        self.norms.append(norm_of(mean, variance, gamma, beta, self.epsilon))
        return mean, variance


def _relu_backward(dy: Tensor, da: Tensor, a: Tensor) -> None:
    """Write dy = da·[a > 0] of some edges: (edges, channel)."""
    torch.ops.aten.threshold_backward.grad_input(da, a, 0, grad_input=dy)


def _pool_backward(run: _Run, gradient: Tensor, pool: BufferPool) -> tuple[Tensor, Sums]:
    """Return dy of the last layer, and its sums, from the gradient of the mean over edges."""
    edges = run.edges
    share = gradient / edges.degree.clamp(min=1)[:, None]
    dy, sums = pool.acquire((run.count, share.shape[1]), share), Sums(share)
    for _, part in run.chunks:
        a = run.activation(run.last, part)
        _relu_backward(dy[part], share.index_select(0, edges.receiver[part]), a)
        if run.last:
            sums.add(dy[part], run.saved_z[-1][part], out=a)
    return dy, sums


def _layer_backward(
    run: _Run, layer: int, dy: Tensor, sums: Sums, weight: Tensor, pool: BufferPool
) -> tuple[Tensor, Sums, tuple[Tensor, Tensor, Tensor]]:
    """Return dy of the layer below and its sums; dW, dγ and dβ of this layer."""
    d_gamma, d_beta, b, c = norm_backward(run.norms[layer], sums, run.count)
    below, transposed = pool.acquire((run.count, weight.shape[1]), dy), weight.t().contiguous()
    d_weight, sums = torch.zeros_like(weight), Sums(weight)
    for _, part in run.chunks:
        z, a = run.saved_z[layer - 1][part], run.activation(layer - 1, part)
        dz = torch.addcmul(b, z, c).addcmul_(dy[part], run.norms[layer].s)
        add_product(d_weight, dz, a)
        _relu_backward(below[part], affine(dz, transposed), a)
        if layer > 1:
            sums.add(below[part], run.saved_z[layer - 2][part], out=a)
    return below, sums, (d_weight, d_gamma, d_beta)


def _scatter_to_points(run: _Run, dy: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return dP, dQ, and dγ and dβ of the first layer, from sums over the edges of each point."""
    edges, sums = run.edges, Sums(run.sent)
    order, first, members = edges.by_sender, edges.first_sent, edges.index
    from_point, to_point = bag_sum(dy, order, first), bag_sum(dy, members, edges.first)
    sums.dy = to_point.sum(0)
    sums.dy_z = (run.sent * from_point).sum(0) + (run.received * to_point).sum(0)
    d_gamma, d_beta, b, c = norm_backward(run.norms[0], sums, run.count)
    s, received_sum = run.norms[0].s, bag_sum(run.received, edges.receiver[order], first)
    sends, receives = edges.sent_degree[:, None], edges.degree[:, None]
    d_sent = s * from_point + b * sends + c * (sends * run.sent + received_sum)
    d_received = s * to_point + b * receives + c * (receives * run.received + run.sent_sum)
    return d_sent, d_received, d_gamma, d_beta
