"""ParticleNet-Lite: ParticleNet with two narrow edge convolutions and seven neighbours."""

from __future__ import annotations

from bunchtrain.networks.particle_net import ParticleNet
from bunchtrain.parts.ranges import BlockWidths, Dropout, PointCount, Width


class ParticleNetLight(ParticleNet):
    """The light version of ParticleNet, named ParticleNet-Lite in its paper (arXiv:1902.08570).

    The equations and options are those of `ParticleNet`; it has 26 thousand parameters instead of
    366 thousand.
    """

    def __init__(
        self,
        features: int,
        coordinates: int,
        outputs: int,
        *,
        k: PointCount = 7,
        channels: BlockWidths = ((32, 32, 32), (64, 64, 64)),
        dense: Width = 128,
        dropout: Dropout = 0.1,
    ) -> None:
        super().__init__(
            features, coordinates, outputs, k=k, channels=channels, dense=dense, dropout=dropout
        )
