"""PELICAN: permutation-equivariant maps of the matrix of a jet's Minkowski products."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.four_momenta import add_beams, minkowski
from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import segment_ids, segment_sum
from bunchtrain.networks.layers.pairs import OrderedPairs, ordered_pairs
from bunchtrain.parts.ranges import Depth, Dropout, Positive, Width


class Pelican(nn.Module):
    """Lorentz-invariant, permutation-equivariant network of pairs (arXiv:2211.00454).

    The products d_ij = p_i·p_j of a jet's n particles are encoded as sgn(d) ((1 + |d|)^α − 1) / α
    with one trained α per channel. Each block applies a dense layer to every entry of this matrix T
    ("messages"), and then the sum, with trained factors, of the 15 linear maps of matrices that
    commute with permutations of the particles: T_ij and T_ji; the diagonal, the means over rows and
    the means over columns, broadcast along rows, columns or the diagonal; the mean of all and the
    mean of the diagonal, broadcast everywhere or on the diagonal. Means are multiplied by
    (n / n̄)^β, with one trained β per channel. Dense layers follow the means of all and of the
    diagonal of the last matrix. The outputs are invariant under boosts and rotations of the jet's
    particles; with `beams`, two beams (1, 0, 0, ±1) are added to each jet, and the outputs are
    invariant under rotations around them only. Memory grows with the number of pairs in a batch.

    momenta   4, for (E, px, py, pz) in GeV.
    outputs   number of outputs.
    width     channels of the matrices.
    messages  channels of the messages, inputs of the 15 maps.
    blocks    number of blocks.
    typical   n̄, typical number of particles of a jet.
    beams     add the two beams to each jet.
    dropout   fraction dropped before each block and before the dense layers in training.
    """

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        width: Width = 60,
        messages: Width = 35,
        blocks: Depth = 5,
        typical: Positive = 49.0,
        beams: bool = False,
        dropout: Dropout = 0.025,
    ) -> None:
        super().__init__()
        self.beams = beams
        self.power = nn.Parameter(torch.linspace(0.05, 0.5, width))
        self.blocks = nn.ModuleList(
            PelicanBlock(width, messages, typical, dropout) for _ in range(blocks)
        )
        self.last = Messages(width, messages, dropout)
        self.count = MultiplicityScale(messages, typical)
        self.head = perceptron(2 * messages, (width,), outputs, "leaky_relu")

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        momenta  (points, 4) as (E, px, py, pz) in GeV, packed.
        lengths  (batch,), points of each jet.
        """
        if self.beams:
            momenta, lengths, _ = add_beams(momenta, lengths)
        matrices = PairMatrices(lengths, momenta.shape[0])
        product = minkowski(momenta[matrices.pairs.receiver], momenta[matrices.pairs.sender])
        encoded = torch.expm1(self.power * product.abs().log1p()[:, None]) / self.power
        values = product.sign()[:, None] * encoded  # (pairs, width)
        for block in self.blocks:
            values = block(values, matrices)
        means = matrices.means(self.last(values))
        scale = self.count(matrices)
        outputs: Tensor = self.head(torch.cat([means.total * scale, means.trace * scale], 1))
        return outputs


class Means:
    """Means of matrices: rows, columns, diagonal (points, channel); total, trace (batch, …)."""

    def __init__(
        self, rows: Tensor, columns: Tensor, diagonal: Tensor, matrices: PairMatrices
    ) -> None:
        self.rows, self.columns, self.diagonal = rows, columns, diagonal
        count = matrices.lengths.clamp(min=1)[:, None].to(rows.dtype)
        self.total = segment_sum(rows, matrices.lengths) / count
        self.trace = segment_sum(diagonal, matrices.lengths) / count


class PairMatrices:
    """Index of the matrices of pairs of all jets, packed with one row per entry."""

    def __init__(self, lengths: Tensor, points: int) -> None:
        self.lengths, self.points = lengths, points
        self.pairs: OrderedPairs = ordered_pairs(lengths, points, include_self=True)
        self.jet = segment_ids(lengths, points)
        self.on_diagonal = (self.pairs.receiver == self.pairs.sender)[:, None]

    def means(self, values: Tensor) -> Means:
        """Return the means of values (pairs, channel)."""
        count = self.pairs.count[:, None].to(values.dtype)
        rows = self.pairs.sum(values) / count
        columns = self.pairs.sum(values[self.pairs.mirror]) / count
        diagonal = self.pairs.sum(torch.where(self.on_diagonal, values, 0.0))
        return Means(rows, columns, diagonal, self)

    def broadcast(self, rows: Tensor, columns: Tensor, diagonal: Tensor) -> Tensor:
        """Return a_i + b_j + δ_ij c_i: (pairs, channel) from three (points, channel)."""
        total = rows[self.pairs.receiver] + columns[self.pairs.sender]
        return total + torch.where(self.on_diagonal, diagonal[self.pairs.receiver], 0.0)


class MultiplicityScale(nn.Module):
    """The factor (n / n̄)^β of each jet and channel."""

    def __init__(self, channels: int, typical: float) -> None:
        super().__init__()
        self.typical, self.exponent = typical, nn.Parameter(torch.rand(channels))

    def forward(self, matrices: PairMatrices) -> Tensor:
        """Return (batch, channel)."""
        count = matrices.lengths.clamp(min=1)[:, None].to(self.exponent.dtype)
        return (count / self.typical) ** self.exponent


class Messages(nn.Module):
    """A dense layer of every entry of the matrix, normalised over all entries."""

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(channels, width), nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        """Return (pairs, width) from (pairs, channel)."""
        activated = functional.leaky_relu(self.linear(values))
        messages: Tensor = self.dropout(normalise(activated, self.norm))
        return messages


class PelicanBlock(nn.Module):
    """Messages, then the 15 maps with trained factors W_oca = u_ca A_oc + v_oa B_oc.

    o and c are the output and input channels and a is the index of the map. The maps are combined
    with one row per particle or jet before they are broadcast to the pairs.
    """

    def __init__(self, width: int, messages: int, typical: float, dropout: float) -> None:
        super().__init__()
        self.messages = Messages(width, messages, dropout)
        self.count = MultiplicityScale(messages, typical)
        bound = (3 / messages) ** 0.5
        self.mixing = nn.Parameter(torch.empty(2, width, messages).uniform_(-bound, bound))
        self.before = nn.Parameter(torch.randn(15, 1, messages) / 30**0.5)
        self.after = nn.Parameter(torch.randn(15, width, 1) / 30**0.5)
        self.bias = nn.Parameter(torch.zeros(2, width))  # everywhere, and on the diagonal

    def forward(self, values: Tensor, matrices: PairMatrices) -> Tensor:
        """Return the matrix (pairs, width) after the block."""
        values = self.messages(values)
        weight = self.before * self.mixing[0] + self.after * self.mixing[1]  # (15, width, messages)
        mirrored = functional.linear(values, weight[1])[matrices.pairs.mirror]
        maps = self._map_means(matrices.means(values), matrices, weight[2:])
        broadcast = matrices.broadcast(*maps)
        return functional.leaky_relu(functional.linear(values, weight[0]) + mirrored + broadcast)

    def _map_means(
        self, means: Means, matrices: PairMatrices, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return the combined maps to rows, to columns and to the diagonal."""
        scale = self.count(matrices)
        scaled = scale[matrices.jet]
        of_points = torch.cat([means.rows * scaled, means.columns * scaled, means.diagonal], 1)
        of_jets = torch.cat([means.total * scale, means.trace * scale], 1)
        rows, columns, diagonal = (
            functional.linear(of_points, torch.cat(list(part), 1))
            for part in torch.split(weight[:9], 3)
        )
        everywhere, trace = (
            functional.linear(of_jets, torch.cat(list(part), 1), bias)
            for part, bias in zip(torch.split(weight[9:], 2), self.bias, strict=True)
        )
        return rows + everywhere[matrices.jet], columns, diagonal + trace[matrices.jet]
