"""Point clouds: unordered particles of an event."""

from __future__ import annotations

from bunchtrain.parts.ranges import PointCount
from bunchtrain.representations._packed import PARTICLE_NET, Normalise, PackedPoints


class PointCloud(PackedPoints):
    """Unordered points, by default with the features of ParticleNet.

    features    expressions over the points; their names are those of `preprocessing.points`.

    arXiv:1902.08570
    """

    def __init__(
        self,
        *,
        group: str = "constituent",
        features: list[str] = list(PARTICLE_NET),  # noqa: B006 - never changed
        max_points: PointCount | None = None,
        order: str | None = None,
        jet: str | None = None,
        where: str | None = None,
        globals: list[str] | None = None,
        normalise: Normalise = "standard",
        coordinates: list[str] | None = None,
    ) -> None:
        super().__init__(
            group, features, max_points, order, jet, where, globals, normalise, coordinates
        )
