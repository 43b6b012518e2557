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
from bunchtrain.networks.layers.convolution import convolution_blocks
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.parts.ranges import BlockWidths, Dropout, HiddenWidths, Kernel


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
        self.convolutions, size = convolution_blocks(channels, (rows, columns), filters, kernel)
        self.dense = perceptron(size, widths, outputs, dropout=dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Return (batch, outputs) from `image` (batch, channel, row, column)."""
        output: Tensor = self.dense(self.convolutions(image))
        return output
