"""PELICAN: the table of a jet's Minkowski products, taken to tables in every equivariant way."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.all_pairs import AllPairs, all_pairs, minkowski, with_beams
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import segment_ids, segment_sum


class Pelican(nn.Module):
    """Lorentz-invariant, permutation-equivariant network of pairs (arXiv:2211.00454).

    The products d_ij = p_i·p_j of a jet's n particles are encoded as sgn(d) ((1 + |d|)^α − 1) / α
    with one trained α a channel. Each block takes this table T to a dense layer of every entry
    ("messages"), and then to the sum, with trained factors, of the 15 linear maps from tables to
    tables that commute with permutations of the particles: T_ij and T_ji; the diagonal, the means
    over rows and the means over columns, written along rows, columns or the diagonal; the mean of
    all and the mean of the diagonal, written everywhere or on the diagonal. Means are multiplied by
    (n / n̄)^β, one trained β a channel. The means of all and of the diagonal of the last table go
    to a dense layer. The outputs are unchanged by any boost or rotation of the jet's particles;
    with `beams`, two beams (1, 0, 0, ±1) join each jet, and only rotations around them change
    nothing. Memory grows with the number of pairs in a batch.

    Args:
        momenta: 4, for (E, px, py, pz) in GeV.
        outputs: numbers that the network gives.
        width: channels of the tables.
        messages: channels that the 15 maps are taken of.
        blocks: number of blocks.
        typical: n̄, particles of a usual jet.
        beams: add the two beams to each jet.
        dropout: share dropped before each block and before the dense layer in training.
    """

    def __init__(
        self,
        momenta: int,
        outputs: int,
        *,
        width: int = 60,
        messages: int = 35,
        blocks: int = 5,
        typical: float = 49.0,
        beams: bool = False,
        dropout: float = 0.025,
    ) -> None:
        super().__init__()
        self.beams = beams
        self.power = nn.Parameter(torch.linspace(0.05, 0.5, width))
        self.blocks = nn.ModuleList(
            PelicanBlock(width, messages, typical, dropout) for _ in range(blocks)
        )
        self.last = Messages(width, messages, dropout)
        self.count = Count(messages, typical)
        self.head = perceptron(2 * messages, (width,), outputs, "leaky_relu")

    def forward(self, momenta: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs).

        Args:
            momenta: (points, 4) as (E, px, py, pz) in GeV, packed.
            lengths: (batch,), points of each jet.
        """
        if self.beams:
            momenta, lengths, _ = with_beams(momenta, lengths)
        tables = Tables(lengths, momenta.shape[0])
        product = minkowski(momenta[tables.pairs.receiver], momenta[tables.pairs.sender])
        grown = torch.expm1(self.power * product.abs().log1p()[:, None]) / self.power
        values = product.sign()[:, None] * grown  # (pairs, width)
        for block in self.blocks:
            values = block(values, tables)
        means = tables.means(self.last(values))
        scale = self.count(tables)
        jets: Tensor = self.head(torch.cat([means.table * scale, means.trace * scale], 1))
        return jets


class Means:
    """Means of tables: rows, columns, diagonal (points, channel); table, trace (batch, channel)."""

    def __init__(self, rows: Tensor, columns: Tensor, diagonal: Tensor, tables: Tables) -> None:
        self.rows, self.columns, self.diagonal = rows, columns, diagonal
        number = tables.lengths.clamp(min=1)[:, None].to(rows.dtype)
        self.table = segment_sum(rows, tables.lengths) / number
        self.trace = segment_sum(diagonal, tables.lengths) / number


class Tables:
    """The tables of pairs of all jets, an entry a row, and what can be read off them."""

    def __init__(self, lengths: Tensor, points: int) -> None:
        self.lengths, self.points = lengths, points
        self.pairs: AllPairs = all_pairs(lengths, points, own=True)
        self.jet = segment_ids(lengths, points)
        self.on_diagonal = (self.pairs.receiver == self.pairs.sender)[:, None]

    def means(self, values: Tensor) -> Means:
        """Return the means of values (pairs, channel)."""
        number = self.pairs.number[:, None].to(values.dtype)
        rows = self.pairs.sum(values) / number
        columns = self.pairs.sum(values[self.pairs.mirror]) / number
        diagonal = self.pairs.sum(torch.where(self.on_diagonal, values, 0.0))
        return Means(rows, columns, diagonal, self)

    def spread(self, along: Tensor, across: Tensor, diagonal: Tensor) -> Tensor:
        """Return a_i + b_j + δ_ij c_i: (pairs, channel) from three (points, channel)."""
        spread = along[self.pairs.receiver] + across[self.pairs.sender]
        return spread + torch.where(self.on_diagonal, diagonal[self.pairs.receiver], 0.0)


class Count(nn.Module):
    """The factor (n / n̄)^β of each jet and channel."""

    def __init__(self, channels: int, typical: float) -> None:
        super().__init__()
        self.typical, self.exponent = typical, nn.Parameter(torch.rand(channels))

    def forward(self, tables: Tables) -> Tensor:
        """Return (batch, channel)."""
        number = tables.lengths.clamp(min=1)[:, None].to(self.exponent.dtype)
        return (number / self.typical) ** self.exponent


class Messages(nn.Module):
    """A dense layer of every entry of the table, normalised over all entries."""

    def __init__(self, channels: int, width: int, dropout: float) -> None:
        super().__init__()
        self.linear, self.norm = nn.Linear(channels, width), nn.BatchNorm1d(width)
        self.dropout = nn.Dropout(dropout)

    def forward(self, values: Tensor) -> Tensor:
        """Return (pairs, width) from (pairs, channel)."""
        dropped: Tensor = self.dropout(
            normalise(functional.leaky_relu(self.linear(values)), self.norm)
        )
        return dropped


class PelicanBlock(nn.Module):
    """Messages, then the 15 maps with trained factors W_oca = u_ca A_oc + v_oa B_oc.

    o and c are the channels after and before and a is the number of the map. The maps are mixed
    where they have one row a particle or a jet, and only then written to the pairs.
    """

    def __init__(self, width: int, messages: int, typical: float, dropout: float) -> None:
        super().__init__()
        self.messages, self.count = Messages(width, messages, dropout), Count(messages, typical)
        bound = (3 / messages) ** 0.5
        self.mixing = nn.Parameter(torch.empty(2, width, messages).uniform_(-bound, bound))
        self.before = nn.Parameter(torch.randn(15, 1, messages) / 30**0.5)
        self.after = nn.Parameter(torch.randn(15, width, 1) / 30**0.5)
        self.bias = nn.Parameter(torch.zeros(2, width))  # everywhere, and on the diagonal

    def forward(self, values: Tensor, tables: Tables) -> Tensor:
        """Return the table (pairs, width) after the block."""
        values = self.messages(values)
        weight = self.before * self.mixing[0] + self.after * self.mixing[1]  # (15, width, messages)
        mirrored = functional.linear(values, weight[1])[tables.pairs.mirror]
        spread = tables.spread(*self._of_points(tables.means(values), tables, weight[2:]))
        return functional.leaky_relu(functional.linear(values, weight[0]) + mirrored + spread)

    def _of_points(
        self, means: Means, tables: Tables, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor]:
        """Return what is written along rows, along columns and on the diagonal."""
        scale = self.count(tables)
        scaled = scale[tables.jet]
        of_points = torch.cat([means.rows * scaled, means.columns * scaled, means.diagonal], 1)
        of_jets = torch.cat([means.table * scale, means.trace * scale], 1)
        along, across, diagonal = (
            functional.linear(of_points, torch.cat(list(part), 1))
            for part in torch.split(weight[:9], 3)
        )
        everywhere, inside = (
            functional.linear(of_jets, torch.cat(list(part), 1), bias)
            for part, bias in zip(torch.split(weight[9:], 2), self.bias, strict=True)
        )
        return along + everywhere[tables.jet], across, diagonal + inside[tables.jet]
