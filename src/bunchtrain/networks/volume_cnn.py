"""Convolutional network on volumes of cells, such as showers in a calorimeter.

A convolution with filters w of k × k × k cells maps the channels d of a volume to the channels

    x'_c(l, r, s) = relu(b_c + Σ_{d, h, i, j} w_cd(h, i, j) x_d(l + h, r + i, s + j))

with zero padding that keeps the size; each block of convolutions is followed by max-pooling of 2
cells along each axis that has 2 or more, and dense layers follow the last block (arXiv:1705.02355
uses such convolutions as the discriminator of showers).
"""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.networks.layers.convolution import convolution_blocks
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.parts.ranges import BlockWidths, Dropout, HiddenWidths, Kernel


class VolumeCNN(nn.Module):
    """Convolutional network on volumes of cells.

    volume   (channels, layers, rows, columns) of a volume.
    outputs  number of outputs.
    filters  for each block, the filters of its convolutions; each block ends with max-pooling.
    kernel   cells along each side of a filter.
    widths   units of the dense layers.
    dropout  fraction of the units of the dense layers dropped in training.
    """

    def __init__(
        self,
        volume: tuple[int, int, int, int],
        outputs: int,
        *,
        filters: BlockWidths = ((16,), (32,)),
        kernel: Kernel = 3,
        widths: HiddenWidths = (64,),
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        channels, *sides = volume
        self.convolutions, size = convolution_blocks(channels, sides, filters, kernel)
        self.dense = perceptron(size, widths, outputs, dropout=dropout)

    def forward(self, volume: Tensor) -> Tensor:
        """Return (batch, outputs) from `volume` (batch, channel, layer, row, column)."""
        output: Tensor = self.dense(self.convolutions(volume))
        return output
