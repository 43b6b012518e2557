"""Convolutional network on jet images.

A convolution with filters w of k × k pixels maps the channels d of an image to the channels

    x'_c(r, s) = relu(b_c + Σ_{d, i, j} w_cd(i, j) x_d(r + i, s + j))

with zero padding that keeps the image size; each block of convolutions is followed by 2 × 2
max-pooling, which halves it, and dense layers follow the last block. The defaults are
128C4-64C4-MP2-64C4-64C4-MP2-64N-256N-256N of Macaluso and Shih (arXiv:1803.00107), the CNN of the
top-tagging comparison (arXiv:1902.09914) on 40 × 40 pixels.
"""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.parts.ranges import BlockWidths, Dropout, HiddenWidths, Kernel


def convolution(channels: int, filters: int, kernel: int) -> list[nn.Module]:
    """Return a convolution that keeps the image size, with zero padding and ReLU."""
    before, after = (kernel - 1) // 2, kernel // 2
    layer = nn.Conv2d(channels, filters, kernel)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    return [nn.ZeroPad2d((before, after, before, after)), layer, nn.ReLU()]


class ImageCNN(nn.Module):
    """Convolutional network on jet images (arXiv:1803.00107).

    image    (channels, rows, columns) of an image.
    outputs  number of outputs.
    filters  for each block, the filters of its convolutions; each block ends with max-pooling.
    kernel   pixels along each side of a filter.
    widths   units of the dense layers.
    dropout  fraction of the units of the dense layers dropped in training.

    Raises StudyError if the image is too small to be halved in each block.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        *,
        filters: BlockWidths = ((128, 64), (64, 64)),
        kernel: Kernel = 4,
        widths: HiddenWidths = (64, 256, 256),
        dropout: Dropout = 0.0,
    ) -> None:
        super().__init__()
        channels, rows, columns = image
        shrunk = 2 ** len(filters)
        if min(rows, columns) < shrunk:
            raise StudyError(
                f"model 'image_cnn' halves the image {len(filters)} times, and it has {rows} × "
                f"{columns} pixels; give fewer blocks in 'filters' or a larger image"
            )
        layers: list[nn.Module] = []
        for block in filters:
            for count in block:
                layers += convolution(channels, count, kernel)
                channels = count
            layers.append(nn.MaxPool2d(2))
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        size = channels * (rows // shrunk) * (columns // shrunk)
        self.dense = perceptron(size, widths, outputs, dropout=dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Return (batch, outputs) from `image` (batch, channel, row, column)."""
        output: Tensor = self.dense(self.convolutions(image))
        return output
