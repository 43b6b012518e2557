"""P-CNN: one-dimensional convolutions over a jet's particles, sorted by decreasing pT."""

from __future__ import annotations

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.normalisation import normalise
from bunchtrain.networks.layers.packing import segment_ids, segment_mean, starts
from bunchtrain.parts.ranges import BlockWidths, Dropout, Width


class SequenceIndex:
    """Positions of packed particles in their jets, and their neighbours.

    lengths  (batch,) particles of each jet.
    step     distance of neighbours: 1, or more in exported networks, which remove no particles.
    """

    def __init__(self, lengths: Tensor, points: int, step: int = 1) -> None:
        self.lengths, self.points, self.step = lengths, points, step
        jet = segment_ids(lengths, points)
        self.position = torch.arange(points, device=lengths.device) - starts(lengths)[jet]
        self.has_next = self.position < lengths[jet] - step
        self.has_previous = self.position >= step

    def with_neighbours(self, values: Tensor) -> Tensor:
        """Return previous particle, itself and next, with zero padding: (points, 3 channel)."""
        previous = torch.where(self.has_previous[:, None], values.roll(self.step, 0), 0.0)
        following = torch.where(self.has_next[:, None], values.roll(-self.step, 0), 0.0)
        return torch.cat([previous, values, following], 1)

    def downsample(self, values: Tensor) -> tuple[Tensor, SequenceIndex]:
        """Return every second particle of each jet, starting with the first, and their index."""
        if torch.compiler.is_exporting():  # no shape may depend on the lengths
            return values, SequenceIndex(self.lengths, self.points, 2 * self.step)
        values = values[self.position % 2 == 0]
        return values, SequenceIndex((self.lengths + 1) // 2, values.shape[0])

    def mean(self, values: Tensor) -> Tensor:
        """Return the mean over the particles that are not removed: (batch, channel)."""
        mask = (self.position % self.step == 0)[:, None]
        count = (self.lengths + self.step - 1) // self.step
        total = segment_mean(torch.where(mask, values, 0.0), self.lengths)
        factor = self.lengths.clamp(min=1) / count.clamp(min=1)
        return total * factor[:, None].to(values.dtype)


class PCNN(nn.Module):
    """Residual one-dimensional CNN over ordered particles (arXiv:1902.08570, 1902.09914).

    A convolution, then stages of residual units of two convolutions each,

        x' = relu(BN(W₂ * relu(BN(W₁ * x))) + V x),

    all of kernel size 3; each stage but the first has stride 2. A dense layer with dropout follows
    the mean over the particles. Convolutions have zero padding at the ends of each jet, and means
    are over existing particles. The paper takes up to 100 particles and counts 348 thousand
    parameters; here there are 344. Needs ordered particles, as from the representation
    `sequence`.

    features  features of a particle.
    outputs   number of outputs.
    first     width of the first convolution.
    stages    widths of the residual units, stage by stage.
    dense     width of the dense layer.
    dropout   fraction of its units dropped in training.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        first: Width = 32,
        stages: BlockWidths = ((64, 64), (64, 64), (128, 128)),
        dense: Width = 512,
        dropout: Dropout = 0.5,
    ) -> None:
        super().__init__()
        self.first = Convolution(features, first)
        widths = [first, *(width for stage in stages for width in stage)]
        strided = {sum(len(stage) for stage in stages[:k]) for k in range(1, len(stages))}
        self.units = nn.ModuleList(
            ResidualUnit(width, wider, index in strided)
            for index, (width, wider) in enumerate(pairwise(widths))
        )
        self.head = nn.Sequential(
            nn.Linear(widths[-1], dense), nn.ReLU(), nn.Dropout(dropout), nn.Linear(dense, outputs)
        )

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        index = SequenceIndex(lengths, features.shape[0])
        values = functional.relu(self.first(index.with_neighbours(features)))
        for unit in self.units:
            values, index = unit(values, index)
        outputs: Tensor = self.head(index.mean(values))
        return outputs


class Convolution(nn.Module):
    """A convolution of kernel size 3, then batch normalisation over all particles."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.weight = nn.Linear(3 * channels, width, bias=False)
        self.norm = nn.BatchNorm1d(width)
        nn.init.kaiming_uniform_(self.weight.weight, nonlinearity="relu")

    def forward(self, neighbours: Tensor) -> Tensor:
        """Return (points, width) from each particle and its neighbours, (points, 3 channel)."""
        return normalise(self.weight(neighbours), self.norm)


class ResidualUnit(nn.Module):
    """Two convolutions with a shortcut; with `strided`, of stride 2."""

    def __init__(self, channels: int, width: int, strided: bool) -> None:
        super().__init__()
        self.strided = strided
        self.one, self.two = Convolution(channels, width), Convolution(width, width)
        self.shortcut = nn.Linear(channels, width, bias=False) if channels != width else None

    def forward(self, values: Tensor, index: SequenceIndex) -> tuple[Tensor, SequenceIndex]:
        """Return the particles after the unit, (points, width), and their index."""
        neighbours = index.with_neighbours(values)
        if self.strided:
            values = index.downsample(values)[0]
            neighbours, index = index.downsample(neighbours)
        convolved = self.two(index.with_neighbours(functional.relu(self.one(neighbours))))
        shortcut = values if self.shortcut is None else self.shortcut(values)
        return functional.relu(convolved + shortcut), index
