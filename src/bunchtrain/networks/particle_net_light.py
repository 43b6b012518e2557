"""ParticleNet-Lite: ParticleNet with two narrow edge convolutions among seven neighbours."""

from __future__ import annotations

from bunchtrain.networks.particle_net import ParticleNet


class ParticleNetLight(ParticleNet):
    """The light version of ParticleNet, named ParticleNet-Lite in its paper (arXiv:1902.08570).

    The equations are those of `ParticleNet`; 26 thousand parameters in place of 366.

    Args:
        features: numbers of a particle.
        coordinates: coordinates of a particle, (Δη, Δφ) in the paper.
        outputs: numbers that the network gives.
        k: nearest neighbours.
        channels: widths of the three linear layers of each edge convolution.
        dense: width of the dense layer.
        dropout: share of its outputs that are dropped in training.
    """

    def __init__(
        self,
        features: int,
        coordinates: int,
        outputs: int,
        *,
        k: int = 7,
        channels: tuple[tuple[int, ...], ...] = ((32, 32, 32), (64, 64, 64)),
        dense: int = 128,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(
            features, coordinates, outputs, k=k, channels=channels, dense=dense, dropout=dropout
        )
