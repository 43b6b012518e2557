"""Convolutional network on windows of a series, such as the samples of a pulse.

A convolution with filters w of k times maps the features d of a window to the channels

    x'_c(t) = relu(b_c + Σ_{d, i} w_cd(i) x_d(t + i))

with zero padding that keeps the length; each block of convolutions is followed by max-pooling of 2
times, and dense layers follow the last block. Without blocks it is a dense network on all samples.
With `linear` the output is W x + b + network(x), where W and b begin as the least-squares estimate
and the last layer of the network as 0.
Both were compared with the optimal filter of a liquid-argon calorimeter in arXiv:2510.11469.
"""

from __future__ import annotations

from torch import Tensor, nn

from bunchtrain.errors import StudyError
from bunchtrain.networks.layers.convolution import convolution_blocks
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.linear_estimate import LinearEstimate
from bunchtrain.parts.ranges import Dropout, HiddenWidths, Kernel, OptionalBlockWidths


class WindowCNN(nn.Module):
    """Convolutional network on windows of a series (arXiv:2510.11469).

    window   (features, times) of a window.
    outputs  number of outputs.
    filters  for each block, the filters of its convolutions; each block ends with max-pooling; none
             for a dense network.
    kernel   times of a filter.
    widths   units of the dense layers.
    dropout  fraction of the units of the dense layers dropped in training.
    linear   add a linear function of the window, which begins as the least-squares estimate of the
             values of the target in the training set.

    Raises StudyError if the window is too short to be halved in each block, or too long for a
    linear function.
    """

    def __init__(
        self,
        window: tuple[int, int],
        outputs: int,
        *,
        filters: OptionalBlockWidths = ((16,), (16,)),
        kernel: Kernel = 5,
        widths: HiddenWidths = (64, 64),
        dropout: Dropout = 0.0,
        linear: bool = False,
    ) -> None:
        super().__init__()
        channels, times = window
        if times < 2 ** len(filters):
            raise StudyError(
                f"model 'window_cnn' halves the window {len(filters)} times, and it has {times} "
                "times; give fewer blocks in 'filters' or longer windows"
            )
        self.convolutions, size = convolution_blocks(channels, (times,), filters, kernel)
        self.dense = perceptron(size, widths, outputs, dropout=dropout)
        self.linear: LinearEstimate | None = None
        if linear:
            self.linear = LinearEstimate(channels * times, outputs)

    def forward(self, window: Tensor) -> Tensor:
        """Return (batch, outputs) from `window` (batch, feature, time)."""
        output: Tensor = self.dense(self.convolutions(window))
        if self.linear is not None:
            output = output + self.linear(self.linear_inputs(window))
        return output

    def linear_inputs(self, window: Tensor) -> Tensor:
        """Return what the linear function is of, (batch, value)."""
        return window.flatten(1)
