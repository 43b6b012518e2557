"""Denoising autoencoder: the samples of a pulse without noise, through a few latent variables.

Convolutions of stride 2 and a dense layer give latent variables z of the samples x_t of an event,
in their order; a dense layer and convolutions of enlarged windows give features of each sample,
from which its value without noise is predicted (arXiv:2204.06655, for pulses of germanium):

    z = W conv₂(… conv₂(x)),   y_t = [conv(up(… conv(up(V z))))]_t.
"""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.packing import ordered_windows, segment_mean
from bunchtrain.parts.ranges import HiddenWidths, Kernel, PointCount, Width, Widths


class DenoisingAutoencoder(nn.Module):
    """Denoising autoencoder of the samples of a pulse, with outputs for each (arXiv:2204.06655).

    Needs samples in their order, as from the representation `sequence`; those beyond `length` are
    added to the last.

    features  input features of a sample.
    outputs   number of outputs of an event.
    length    samples of an event.
    channels  filters of the convolutions of the encoder, each of which halves the window; the
              decoder has them in reverse.
    kernel    samples of a filter.
    latent    number of latent variables.
    widths    units of the dense layers after the mean over the samples, for outputs of events.
    """

    def __init__(
        self,
        features: int,
        outputs: int,
        *,
        length: PointCount = 32,
        channels: Widths = (16, 32),
        kernel: Kernel = 5,
        latent: Width = 8,
        widths: HiddenWidths = (32,),
    ) -> None:
        super().__init__()
        self.length, self.point_width = length, channels[0]
        self.sides = [length]
        encoder: list[nn.Module] = []
        pad = ((kernel - 1) // 2, kernel // 2)
        for before, after in zip([features, *channels], channels, strict=False):
            convolution = nn.Conv1d(before, after, kernel, stride=2)
            nn.init.kaiming_uniform_(convolution.weight, nonlinearity="relu")
            encoder += [nn.ZeroPad1d(pad), convolution, nn.ReLU()]
            self.sides.append((self.sides[-1] - 1) // 2 + 1)
        size = channels[-1] * self.sides[-1]
        self.encoder = nn.Sequential(*encoder, nn.Flatten(), nn.Linear(size, latent))
        self.enlarge = nn.Sequential(
            nn.Linear(latent, size), nn.Unflatten(1, (channels[-1], self.sides[-1]))
        )
        self.decoder = nn.ModuleList(
            nn.Sequential(nn.ReLU(), nn.ZeroPad1d(pad), nn.Conv1d(before, after, kernel))
            for before, after in zip(channels[::-1], [*channels[-2::-1], channels[0]], strict=True)
        )
        self.classifier = perceptron(channels[0], widths, outputs)

    #: Modules of the outputs of events alone.
    event_modules = ("classifier",)

    def embed_points(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return the decoded features of each sample, (points, width)."""
        window, slot = ordered_windows(features, lengths, self.length)
        decoded = self.enlarge(self.encoder(window.transpose(1, 2)))
        for side, convolution in zip(self.sides[-2::-1], self.decoder, strict=True):
            decoded = convolution(functional.interpolate(decoded, size=side))
        points: Tensor = decoded.transpose(1, 2).flatten(0, 1)[slot]
        return points

    def read_out(self, points: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from embedded samples."""
        outputs: Tensor = self.classifier(segment_mean(points, lengths))
        return outputs

    def forward(self, features: Tensor, lengths: Tensor) -> Tensor:
        """Return (batch, outputs) from `features` (points, feature) and `lengths` (batch,)."""
        return self.read_out(self.embed_points(features, lengths), lengths)
