"""Convolutional network on jet images.

A convolution with filters w of k × k pixels makes of the channels d of an image the channels

    x'_c(r, s) = relu(b_c + Σ_{d, i, j} w_cd(i, j) x_d(r + i, s + j))

and keeps its size, zeros lying around it; each block of them is followed by 2 × 2 max-pooling,
which halves it, and dense layers on all that is left come last. The defaults are
128C4-64C4-MP2-64C4-64C4-MP2-64N-256N-256N of Macaluso and Shih (arXiv:1803.00107), with which the
CNN of the top-tagging comparison (arXiv:1902.09914) saw 40 × 40 pixels.
"""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.dense import perceptron


def convolution(channels: int, filters: int, kernel: int) -> list[nn.Module]:
    """Return a rectified convolution that keeps the size of the image."""
    before, after = (kernel - 1) // 2, kernel // 2
    layer = nn.Conv2d(channels, filters, kernel)
    nn.init.kaiming_uniform_(layer.weight, nonlinearity="relu")
    return [nn.ZeroPad2d((before, after, before, after)), layer, nn.ReLU()]


class ImageCNN(nn.Module):
    """Convolutional network on jet images (arXiv:1803.00107).

    Args:
        image: (channels, rows, columns) of an image.
        outputs: number of outputs.
        filters: for each block, the filters of its convolutions; a max-pooling ends each block.
        kernel: pixels along each side of a filter.
        widths: units of the dense layers.
        dropout: fraction of the units of the dense layers dropped in training.

    Raises:
        StudyError: the image is too small to be halved once a block.
    """

    def __init__(
        self,
        image: tuple[int, int, int],
        outputs: int,
        *,
        filters: tuple[tuple[int, ...], ...] = ((128, 64), (64, 64)),
        kernel: int = 4,
        widths: tuple[int, ...] = (64, 256, 256),
        dropout: float = 0.0,
    ) -> None:
        super().__init__()
        channels, rows, columns = image
        shrunk = 2 ** len(filters)
        if min(rows, columns) < shrunk:
            raise StudyError(
                f"model 'image_cnn' halves the image {len(filters)} times and got one of "
                f"{rows} × {columns} pixels; give fewer blocks in 'filters' or a larger image"
            )
        layers: list[nn.Module] = []
        for block in filters:
            for number in block:
                layers += convolution(channels, number, kernel)
                channels = number
            layers.append(nn.MaxPool2d(2))
        self.convolutions = nn.Sequential(*layers, nn.Flatten())
        size = channels * (rows // shrunk) * (columns // shrunk)
        self.dense = perceptron(size, widths, outputs, dropout=dropout)

    def forward(self, image: Tensor) -> Tensor:
        """Return (batch, outputs) from `image` (batch, channel, row, column)."""
        output: Tensor = self.dense(self.convolutions(image))
        return output
