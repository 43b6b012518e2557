"""Messages of LorentzNet on a CPU, jet by jet: what is computed for a pair stays in the cache.

The pairs of a jet are a table (particles, particles), whose diagonal does not count, so that
nothing is gathered. The batch normalisation of the first layer, W [h_i, h_j, s_ij] with the scalars
s_ij of a pair, follows from sums over particles: its mean and variance are known before any
message is computed. The backward pass computes the messages again instead of storing them.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import torch
from torch import Tensor

from bunchtrain.networks.layers.cpu_kernels import BufferPool, add_product, product
from bunchtrain.networks.layers.packing import segment_sum

#: Pairs of a step: those of a jet of 64 particles; fewer cost more for calls than they save.
PAIRS = 4096


class Layers(NamedTuple):
    """Weights after the first layer: of messages, their attention, and, if any, of the moves."""

    message: Tensor  # (width, width)
    message_bias: Tensor
    attention: Tensor  # (1, width)
    attention_bias: Tensor
    hidden: Tensor | None = None  # (width, width)
    hidden_bias: Tensor | None = None
    move: Tensor | None = None  # (1, width)


class Moments(NamedTuple):
    """Mean and variance of the first layer over all pairs, (width,) each, and their number."""

    mean: Tensor
    variance: Tensor
    pairs: int


def pair_moments(
    received: Tensor, sent: Tensor, scalars: Tensor, weight: Tensor, lengths: Tensor
) -> Moments:
    """Return the moments of a_i + b_j + W s_ij over the pairs i ≠ j of all jets, with a gradient.

    received, sent  a and b, (points, width).
    scalars         s, (pairs, scalar) with s_ij = s_ji, the pairs (i, i) included, jet by jet.
    weight          W, (width, scalar).
    lengths         (batch,) points of each jet.
    """
    a, b, w = received.double(), sent.double(), weight.double()
    sizes = lengths.tolist()
    squares = [size * size for size in sizes]
    others = (lengths - 1).clamp(min=0).repeat_interleave(lengths)[:, None]
    total = sum(squares) - sum(sizes)
    tables = [
        part.view(size, size, scalars.shape[1]).double()
        for part, size in zip(torch.split(scalars, squares), sizes, strict=True)
    ]
    seen = torch.cat([t.sum(1) - t.diagonal().T for t in tables])  # Σ_j s_ij
    off = [t.flatten(0, 1)[_off_diagonal(len(t))] for t in tables]
    product2 = sum((s.T @ s for s in off), w.new_zeros(w.shape[1], w.shape[1]))
    mean = ((others * (a + b)).sum(0) + seen.sum(0) @ w.T) / total
    pairs = segment_sum(a, lengths) * segment_sum(b, lengths)
    square = (others * (a.square() + b.square())).sum(0) + 2 * (pairs.sum(0) - (a * b).sum(0))
    square = square + 2 * ((a + b) * (seen @ w.T)).sum(0) + ((w @ product2) * w).sum(1)
    variance = (square / total - mean.square()).clamp(min=0)
    return Moments(mean.to(received.dtype), variance.to(received.dtype), total)


def _off_diagonal(size: int) -> Tensor:
    return ~torch.eye(size, dtype=torch.bool).flatten()


class JetMessages(torch.autograd.Function):
    """Σ_j φ_m(m_ij) m_ij and Σ_j φ_x(m_ij) x_j of each particle.

    m_ij = relu(V relu(a_i + b_j + W s_ij) + v), φ_m a sigmoid and φ_x of two layers.
    """

    @staticmethod
    def forward(
        ctx: Any,
        a: Tensor,
        b: Tensor,
        scalars: Tensor,
        weight: Tensor,
        momenta: Tensor,
        sizes: list[int],
        *layers: Tensor,
    ) -> tuple[Tensor, Tensor]:
        """Return (points, width) and (points, 4); without layers of the moves, zeros."""
        ctx.save_for_backward(a, b, scalars, weight, momenta, *layers)
        ctx.sizes = sizes
        received, moved = torch.zeros_like(a), torch.zeros_like(momenta)
        tables = _Tables(a, b, scalars, weight, Layers(*layers))
        for part in _parts(sizes):
            message, gate = tables.messages(part)[1:]
            table = message.view(*gate.shape, -1)
            received[part.rows] = torch.bmm(gate[:, None], table)[:, 0]
            if tables.layers.hidden is not None:
                moved[part.rows] = tables.moves(part, message)[1] @ momenta[part.jet]
        tables.release()
        return received, moved

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(ctx: Any, d_received: Tensor, d_moved: Tensor) -> tuple[Tensor | None, ...]:
        """Return the gradients of all tensors."""
        a, b, scalars, weight, momenta, *layers = ctx.saved_tensors
        given = a, b, scalars, weight, momenta
        grads = _Gradients(*(torch.zeros_like(one) for one in given))
        of_layers = Layers(*(torch.zeros_like(one) for one in layers))
        tables = _Tables(a, b, scalars, weight, Layers(*layers))
        for part in _parts(ctx.sizes):
            hidden, message, gate = tables.messages(part)
            d_message = tables.gate_backward(message, gate, d_received[part.rows], of_layers)
            if tables.layers.hidden is not None:
                shift = momenta[part.jet], d_moved[part.rows], grads.momenta[part.jet]
                tables.move_backward(part, message, d_message, *shift, of_layers)
            tables.first_backward(part, hidden, message, d_message, grads, of_layers)
        tables.release()
        return *grads, None, *of_layers


class _Gradients(NamedTuple):
    a: Tensor
    b: Tensor
    scalars: Tensor
    weight: Tensor
    momenta: Tensor


class _Part(NamedTuple):
    """Some particles of a jet as receivers, with all of the jet as senders."""

    jet: slice  # of points
    rows: slice  # of points, the receivers
    pairs: slice

    def without_own(self, table: Tensor) -> Tensor:
        """Set the entries of a particle with itself, in (receivers, senders), to 0."""
        table.diagonal(self.rows.start - self.jet.start).fill_(0.0)
        return table


def _parts(sizes: list[int]) -> list[_Part]:
    """Return the parts of the jets of two particles or more."""
    found, point, pair = [], 0, 0
    for size in sizes:
        jet, step = slice(point, point + size), max(1, PAIRS // max(size, 1))
        for low in range(0, size, step) if size > 1 else ():
            high = min(low + step, size)
            pairs = slice(pair + low * size, pair + high * size)
            found.append(_Part(jet, slice(point + low, point + high), pairs))
        point, pair = point + size, pair + size * size
    return found


class _Tables:
    """The tensors of the pairs of one part after the other, in the same buffers."""

    def __init__(
        self, a: Tensor, b: Tensor, scalars: Tensor, weight: Tensor, layers: Layers
    ) -> None:
        self.a, self.b, self.scalars, self.weight, self.layers = a, b, scalars, weight, layers
        self.pool = BufferPool()
        self.release = self.pool.release
        self.buffers: dict[str, Tensor] = {}

    def buffer(self, name: str, rows: int, width: int) -> Tensor:
        """Return a buffer (rows, width)."""
        held = self.buffers.get(name)
        if held is None or held.numel() < rows * width:
            held = self.buffers[name] = self.pool.acquire((rows * width,), self.a)
        return held[: rows * width].view(rows, width)

    def messages(self, part: _Part) -> tuple[Tensor, Tensor, Tensor]:
        """Return the hidden layer and m, (pairs, width), and φ_m(m), (receivers, senders)."""
        scalars, layers = self.scalars[part.pairs], self.layers
        hidden = self.buffer("hidden", len(scalars), self.a.shape[1])
        torch.mm(scalars, self.weight.t(), out=hidden)
        sent = self.b[part.jet]
        table = hidden.view(-1, *sent.shape)
        table.add_(self.a[part.rows, None]).add_(sent).relu_()
        message = product(hidden, layers.message, layers.message_bias, relu=True)
        gate = torch.addmv(layers.attention_bias, message, layers.attention[0]).sigmoid_()
        return hidden, message, part.without_own(gate.view(-1, len(sent)))

    def moves(self, part: _Part, message: Tensor) -> tuple[Tensor, Tensor]:
        """Return the hidden layer (pairs, width) and φ_x(m), (receivers, senders)."""
        layers = self.layers
        assert layers.hidden is not None
        assert layers.move is not None
        hidden = product(message, layers.hidden, layers.hidden_bias, relu=True)
        factor = torch.mv(hidden, layers.move[0])
        return hidden, part.without_own(factor.view(part.rows.stop - part.rows.start, -1))

    def gate_backward(
        self, message: Tensor, gate: Tensor, d_received: Tensor, of: Layers
    ) -> Tensor:
        """Return the gradient of m by Σ φ_m(m) m."""
        table = message.view(*gate.shape, -1)
        d_gate = torch.bmm(table, d_received[:, :, None])[..., 0]
        d_logit = d_gate.mul_(gate).mul_(1 - gate).view(1, -1)
        of.attention.addmm_(d_logit, message)
        of.attention_bias.add_(d_logit.sum())
        d_message = self.buffer("d_message", *message.shape)
        torch.mul(gate[..., None], d_received[:, None], out=d_message.view(table.shape))
        return d_message.addmm_(d_logit.t(), self.layers.attention)

    def move_backward(
        self,
        part: _Part,
        message: Tensor,
        d_message: Tensor,
        momenta: Tensor,
        d_moved: Tensor,
        d_momenta: Tensor,
        of: Layers,
    ) -> None:
        """Add the gradient of m by Σ φ_x(m) x to `d_message`."""
        layers = self.layers
        assert layers.hidden is not None
        assert layers.move is not None
        assert of.hidden is not None
        assert of.hidden_bias is not None
        assert of.move is not None
        hidden, factor = self.moves(part, message)
        d_momenta.addmm_(factor.t(), d_moved)
        d_factor = part.without_own(d_moved @ momenta.t()).view(1, -1)
        of.move.addmm_(d_factor, hidden)
        d_hidden = self.buffer("d_hidden", *message.shape)
        torch.mm(d_factor.t(), layers.move, out=d_hidden)
        d_hidden = _relu_backward(d_hidden, hidden)
        of.hidden_bias.add_(d_hidden.sum(0))
        add_product(of.hidden, d_hidden, message)
        d_message.add_(product(d_hidden, layers.hidden.t()))

    def first_backward(
        self,
        part: _Part,
        hidden: Tensor,
        message: Tensor,
        d_message: Tensor,
        grads: _Gradients,
        of: Layers,
    ) -> None:
        """Set the gradients of the first layer, and add those of its weight and of V and v."""
        d_message = _relu_backward(d_message, message)
        of.message_bias.add_(d_message.sum(0))
        add_product(of.message, d_message, hidden)
        d_first = _relu_backward(product(d_message, self.layers.message.t()), hidden)
        sent = grads.b[part.jet]
        table = d_first.view(-1, *sent.shape)
        torch.sum(table, 1, out=grads.a[part.rows])
        sent += table.sum(0)
        add_product(grads.weight, d_first, self.scalars[part.pairs])
        torch.mm(d_first, self.weight, out=grads.scalars[part.pairs])


def _relu_backward(gradient: Tensor, activated: Tensor) -> Tensor:
    """Return the gradient where the activation is positive, in place."""
    result: Tensor = torch.ops.aten.threshold_backward.grad_input(
        gradient, activated, 0, grad_input=gradient
    )
    return result
