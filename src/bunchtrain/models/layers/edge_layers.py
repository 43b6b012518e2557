"""The layers of an edge convolution along packed edges, in pieces that stay in the cache.

For an edge e from j to i, with P and Q given at the points,

    z¹ = P_j + Q_i,   zˡ = Wˡ aˡ⁻¹,   aˡ = relu(sˡ zˡ + tˡ),   x_i = mean over the edges of i of aᴸ,

s = γ r, t = β − s·Mean z, r = 1/√(Var z + ε), mean and variance over all edges. Of every edge only
z², …, zᴸ are kept for the gradient, which is

    dy = da · [a > 0],   dβ = Σ dy,   dγ = Σ dy·ẑ,   ẑ = r (z − Mean z),
    dz = s (dy − dβ/edges − ẑ dγ/edges),   dWˡ = Σ dzˡ aˡ⁻¹ᵀ,   daˡ⁻¹ = Wˡᵀ dzˡ,
    dP_j = Σ dz¹ over the edges from j,   dQ_i = Σ dz¹ over the edges to i.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from bunchtrain.models.layers.edges import Edges, bag_sum
from bunchtrain.models.layers.matrix_product import product
from bunchtrain.models.layers.scratch import Lease


class Norm(NamedTuple):
    """Normalisation of a layer: y = s z + t, the mean of z and r, (channel,) each."""

    s: Tensor
    t: Tensor
    mean: Tensor
    r: Tensor


class Sums:
    """Σ u and Σ u·z over all edges, of pieces that are looked at while they are in the cache."""

    def __init__(self, like: Tensor) -> None:
        self.plain, self.with_z = like.new_zeros(2, like.shape[-1])

    def add(self, u: Tensor, z: Tensor, spoiled: Tensor) -> None:
        """Take a piece (edges, channel) into account; `spoiled` is used for the product."""
        self.plain += u.sum(0)
        self.with_z += torch.mul(u, z, out=spoiled).sum(0)


def along(sent: Tensor, received: Tensor, edges: Edges, part: slice) -> Tensor:
    """Return P_j + Q_i for some edges: (edges, channel)."""
    there = sent.index_select(0, edges.sender[part])
    return there.add_(received.index_select(0, edges.receiver[part]))


def mean_of_edges(values: Tensor, edges: Edges, at: slice, part: slice) -> Tensor:
    """Return the mean over each point's edges, for the points and edges of a chunk."""
    members = torch.arange(len(values), device=values.device)
    total = bag_sum(values, members, edges.first[at] - part.start)
    return total.div_(edges.degree[at].clamp(min=1)[:, None])


def infer(
    sent: Tensor, received: Tensor, edges: Edges, layers: list[tuple[Tensor, Tensor]]
) -> Tensor:
    """Return the convolved points (points, channel), normalisation folded into the layers.

    A layer is weight (out, in) and bias (out,). There is no gradient.
    """
    convolved = []
    for at, part in edges.chunks(sent.shape[1]):
        values = along(sent, received, edges, part).relu_()
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
        lease = Lease()
        dy, sums = _top(run, gradient, lease)
        gradients: tuple[Tensor, ...] = ()
        for depth in range(run.last, 0, -1):
            dy, sums, found = _through(run, depth, dy, sums, weights[depth - 1], lease)
            gradients = (*found, *gradients)
        *to_points, d_gamma, d_beta = _to_points(run, dy, sums)
        lease.give_back()
        if not torch._C._autograd._get_current_graph_task_keep_graph():  # type: ignore[attr-defined]
            run.lease.give_back()  # nothing can ask for this gradient again
        return (*to_points, None, None, d_gamma, d_beta, *gradients)


class _Run:
    """What a forward pass keeps: P, Q and, of every layer, z (from the second on) and its norm."""

    def __init__(self, sent: Tensor, received: Tensor, edges: Edges, epsilon: float) -> None:
        self.sent, self.received, self.edges, self.epsilon = sent, received, edges, epsilon
        self.number, self.chunks = len(edges.sender), edges.chunks(sent.shape[1])
        self.kept: list[Tensor] = []  # (edges, channel) each
        self.norms: list[Norm] = []
        self.statistics: list[Tensor] = []
        self.lease = Lease()

    @property
    def last(self) -> int:
        """The number of the last layer; that of the first is 0."""
        return len(self.kept)

    def z(self, layer: int, part: slice) -> Tensor:
        """Return z of a layer, less a shift that is the same for all edges: (edges, channel)."""
        if layer:
            return self.kept[layer - 1][part]
        return along(self.sent, self.received, self.edges, part)

    def activate(self, layer: int, z: Tensor) -> Tensor:
        """Return a of a layer from its z: (edges, channel)."""
        return torch.addcmul(self.norms[layer].t, z, self.norms[layer].s).relu_()

    def activation(self, layer: int, part: slice) -> Tensor:
        """Return a of a layer for some edges: (edges, channel)."""
        return self.activate(layer, self.z(layer, part))

    def normalise_first(self, gamma: Tensor, beta: Tensor) -> None:
        """Centre z of the first layer and find its norm."""
        sends = self.edges.by_sender[2].to(gamma.dtype)
        receives = self.edges.degree.to(gamma.dtype)
        shift = (sends @ self.sent + receives @ self.received) / self.number
        self.received = self.received - shift
        sums = Sums(gamma)
        for _, part in self.chunks:
            z = self.z(0, part)
            sums.add(z, z, spoiled=z)
        self._normalise(sums, shift, gamma, beta)

    def append(self, weight: Tensor, gamma: Tensor, beta: Tensor) -> None:
        """Make z of the next layer, less its mean over the first piece, and find its norm."""
        kept = self.lease.empty((self.number, len(weight)), weight)
        sums, shift = Sums(gamma), None
        for _, part in self.chunks:
            z = product(self.activation(self.last, part), weight)
            shift = z.mean(0) if shift is None else shift
            torch.sub(z, shift, out=kept[part])
            sums.add(kept[part], kept[part], spoiled=z)
        self.kept.append(kept)
        self._normalise(sums, torch.zeros_like(beta) if shift is None else shift, gamma, beta)

    def _normalise(self, sums: Sums, shift: Tensor, gamma: Tensor, beta: Tensor) -> None:
        mean = sums.plain / self.number
        variance = (sums.with_z / self.number - mean.square()).clamp_(min=0)
        r = (variance + self.epsilon).rsqrt()
        self.norms.append(Norm(gamma * r, torch.addcmul(beta, mean, gamma * r, value=-1), mean, r))
        self.statistics += [mean + shift, variance]


def _pull(dy: Tensor, sums: Sums, da: Tensor, z: Tensor, a: Tensor) -> None:
    """Write dy = da·[a > 0] of some edges, (edges, channel), and add it to `sums`; spoils a."""
    torch.ops.aten.threshold_backward.grad_input(da, a, 0, grad_input=dy)
    sums.add(dy, z, spoiled=a)


def _top(run: _Run, gradient: Tensor, lease: Lease) -> tuple[Tensor, Sums]:
    """Return dy of the last layer, and its sums, from the gradient of the points."""
    edges = run.edges
    share = gradient / edges.degree.clamp(min=1)[:, None]
    dy, sums = lease.empty((run.number, share.shape[1]), share), Sums(share)
    for _, part in run.chunks:
        z, da = run.z(run.last, part), share.index_select(0, edges.receiver[part])
        _pull(dy[part], sums, da, z, run.activate(run.last, z))
    return dy, sums


def _of_z(run: _Run, layer: int, sums: Sums) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return dγ, dβ and the numbers b and c of dz = s dy + b + c z: (channel,) each."""
    s, _, mean, r = run.norms[layer]
    d_beta = sums.plain
    d_gamma = r * (sums.with_z - mean * d_beta)
    c = -s * r * d_gamma / run.number
    return d_gamma, d_beta, -s * d_beta / run.number - c * mean, c


def _through(
    run: _Run, layer: int, dy: Tensor, sums: Sums, weight: Tensor, lease: Lease
) -> tuple[Tensor, Sums, tuple[Tensor, Tensor, Tensor]]:
    """Return dy of the layer below and its sums; dW, dγ and dβ of this layer."""
    d_gamma, d_beta, b, c = _of_z(run, layer, sums)
    below, back = lease.empty((run.number, weight.shape[1]), dy), weight.t().contiguous()
    d_weight, sums = torch.zeros_like(weight), Sums(weight)
    for _, part in run.chunks:
        dz = torch.addcmul(b, run.z(layer, part), c).addcmul_(dy[part], run.norms[layer].s)
        z = run.z(layer - 1, part)
        a = run.activate(layer - 1, z)
        d_weight += product(dz.t(), a.t())
        _pull(below[part], sums, product(dz, back), z, a)
    return below, sums, (d_weight, d_gamma, d_beta)


def _to_points(run: _Run, dy: Tensor, sums: Sums) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Return dP, dQ, and dγ and dβ of the first layer; dy becomes dz."""
    d_gamma, d_beta, b, c = _of_z(run, 0, sums)
    for _, part in run.chunks:
        z = run.z(0, part)
        torch.addcmul(torch.addcmul(b, z, c, out=z), dy[part], run.norms[0].s, out=dy[part])
    order, first, _ = run.edges.by_sender
    members = torch.arange(run.number, device=order.device)
    return bag_sum(dy, order, first), bag_sum(dy, members, run.edges.first), d_gamma, d_beta
