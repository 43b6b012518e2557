"""U-Net on the bins or samples of an event in their order, with features for each of them.

Convolutions along the bins alternate with max-pooling of two bins, up to the coarsest level; from
there each level is enlarged again and joined with the features of the same level on the way down,
so that each bin sees its neighbourhood far and near (arXiv:1505.04597; in one dimension for
vertices along the beam: arXiv:2309.12417):

    d_l = conv(pool(d_{l−1})),   u_l = conv(up(u_{l+1}) ⊕ d_l),   y_t = head(u_0(t)).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.convolution import plain_convolutions
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.packing import ordered_windows, segment_mean
from bunchtrain.parts.ranges import HiddenWidths, Kernel, PointCount, Widths


class UNet1d(nn.Module):
    """U-Net on the bins of an event, with outputs for each (arXiv:1505.04597, arXiv:2309.12417).

    Needs bins in their order, as from the representation `sequence`; those beyond `length` are
    added to the last.

    features  input features of a bin.
    outputs   number of outputs of an event.
    length    bins of an event.
    channels  filters of each level; each has half of the bins of the one before.
    kernel    bins of a filter.
    widths    units of the dense layers after the mean over the bins, for outputs of events.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        length: PointCount = 4096,
        channels: Widths = (16, 32, 64),
        kernel: Kernel = 5,
        widths: HiddenWidths = (32,),
    ) -> None:
        super().__init__()
        self.length, self.point_width = length, channels[0]
        self.down = nn.ModuleList(
            plain_convolutions(before, 1, (after, after), kernel)
            for before, after in zip([features, *channels], channels, strict=False)
        )
        self.up = nn.ModuleList(
            plain_convolutions(deep + own, 1, (own, own), kernel)
            for deep, own in zip(channels[:0:-1], channels[-2::-1], strict=True)
        )
        self.classifier = perceptron(channels[0], widths, outputs)

    #: Modules of the outputs of events alone.
    event_modules = ("classifier",)

    def embed_points(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return the features of each bin, (points, width)."""
        window, slot = ordered_windows(features, lengths, self.length)
        found, levels = window.transpose(1, 2), list[Tensor]()
        for level, convolutions in enumerate(self.down):
            if level:
                found = functional.max_pool1d(found, 2, ceil_mode=True)
            found = convolutions(found)
            levels.append(found)
        for convolutions, own in zip(self.up, levels[-2::-1], strict=True):
            found = functional.interpolate(found, size=own.shape[2])
            found = convolutions(torch.cat([found, own], 1))
        points: Tensor = found.transpose(1, 2).flatten(0, 1)[slot]
        return points

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from embedded bins."""
        outputs: Tensor = self.classifier(segment_mean(points, lengths))
        return outputs

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        return self.read_out(self.embed_points(features, lengths), lengths)
