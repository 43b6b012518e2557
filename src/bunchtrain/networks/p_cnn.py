"""P-CNN: one-dimensional convolutions over a jet's particles in falling order of pT."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import segment_ids, segment_mean, starts


class Row:
    """Where the packed particles stand in their jets, and who stands beside them.

    lengths  (batch,) particles of each jet.
    step     how far apart neighbours are: 1, or more in exported networks, where nobody leaves.
    """

    def __init__(self, lengths: Tensor, points: int, step: int = 1) -> None:
        self.lengths, self.points, self.step = lengths, points, step
        jet = segment_ids(lengths, points)
        self.place = torch.arange(points, device=lengths.device) - starts(lengths)[jet]
        self.after = self.place < lengths[jet] - step
        self.before = self.place >= step

    def beside(self, values: Tensor) -> Tensor:
        """Return left neighbour, itself and right, 0 beyond the ends: (points, 3 channel)."""
        left = torch.where(self.before[:, None], values.roll(self.step, 0), 0.0)
        right = torch.where(self.after[:, None], values.roll(-self.step, 0), 0.0)
        return torch.cat([left, values, right], 1)

    def halved(self, values: Tensor) -> tuple[Tensor, Row]:
        """Return every second particle of each jet, beginning with the first, and their row."""
        if torch.compiler.is_exporting():  # how many are left is a shape that no exporter can know
            return values, Row(self.lengths, self.points, 2 * self.step)
        values = values[self.place % 2 == 0]
        return values, Row((self.lengths + 1) // 2, values.shape[0])

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over the particles that are left: (batch, channel)."""
        left = (self.place % self.step == 0)[:, None]
        number = (self.lengths + self.step - 1) // self.step
        total = segment_mean(torch.where(left, values, 0.0), self.lengths)
        share = self.lengths.clamp(min=1) / number.clamp(min=1)
        return total * share[:, None].to(values.dtype)


class PCNN(nn.Module):
    """Residual one-dimensional CNN over ordered particles (arXiv:1902.08570, 1902.09914).

    A convolution, then stages of residual units of two convolutions each,

        x' = relu(BN(W₂ * relu(BN(W₁ * x))) + V x),

    all of three particles; each stage but the first keeps every second particle. The mean over the
    particles goes to a dense layer with dropout. A jet ends where its particles end: what lies
    beyond them counts as 0 in every convolution, and in no mean. The paper takes up to 100
    particles and counts 348 thousand parameters; here there are 344. Needs particles in order, as
    the representation `sequence` gives them.

    Args:
        features: numbers of a particle.
        outputs: numbers that the network gives.
        first: width of the first convolution.
        stages: widths of the residual units, stage by stage.
        dense: width of the dense layer.
        dropout: share of its outputs that are dropped in training.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        first: int = 32,
        stages: tuple[tuple[int, ...], ...] = ((64, 64), (64, 64), (128, 128)),
        dense: int = 512,
        dropout: float = 0.5,
    ) -> None:
        super().__init__()
        self.first = Convolution(features, first)
        widths = [first, *(width for stage in stages for width in stage)]
        begins = {sum(len(stage) for stage in stages[:number]) for number in range(1, len(stages))}
        self.units = nn.ModuleList(
            ResidualUnit(width, wider, number in begins)
            for number, (width, wider) in enumerate(pairwise(widths))
        )
        self.head = nn.Sequential(
            nn.Linear(widths[-1], dense), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dense, outputs)
        )

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        row = Row(lengths, features.shape[0])
        values = functional.relu(self.first(row.beside(features)))
        for unit in self.units:
            values, row = unit(values, row)
        jets: Tensor = self.head(row.mean(values))
        return jets


class Convolution(nn.Module):
    """A convolution of three neighbours, then batch normalisation over all particles."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Linear(3 * channels, width, bias=False)
        self.norm = nn.BatchNorm1d(width)
        nn.init.kaiming_uniform_(self.weight.weight, nonlinearity="relu")

    def forward(self, beside: Tensor) -> Tensor:
        """Return (points, width) from each particle and its neighbours, (points, 3 channel)."""
        return normalise(self.weight(beside), self.norm)


class ResidualUnit(nn.Module):
    """Two convolutions beside a shortcut; with `halve`, for every second particle."""

    def __init__(self, channels: int, width: int, halve: bool) -> None:
        super().__init__()
        self.halve = halve
        self.one, self.two = Convolution(channels, width), Convolution(width, width)
        self.shortcut = nn.Linear(channels, width, bias=False) if channels != width else None

    def forward(self, values: Tensor, row: Row) -> tuple[Tensor, Row]:
        """Return the particles that are left, (points, width), and their row."""
        beside = row.beside(values)
        if self.halve:
            values = row.halved(values)[0]
            beside, row = row.halved(beside)
        convolved = self.two(row.beside(functional.relu(self.one(beside))))
        short = values if self.shortcut is None else self.shortcut(values)
        return functional.relu(convolved + short), row
