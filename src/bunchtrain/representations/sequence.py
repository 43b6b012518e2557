"""Sequences: particles of an event in decreasing order of an expression."""

from __future__ import annotations

from bunchtrain.parts.ranges import PointCount
from bunchtrain.representations._packed import PARTICLE_NET, Normalise, PackedPoints


class Sequence(PackedPoints):
    """Points in decreasing order of an expression, truncated to a maximum length.

    features  expressions over the points; their names are those of `preprocessing.points`.
    order     expression that the points are sorted by, e.g. `pt` or `abs(d0 / d0_error)`.
    length    largest number of points; if unset, it is 128, and 10,000 with `coordinates`.

    arXiv:1607.08633
    """

    is_ordered = True
    limit_name = "length"

    def __init__(
        self,
        *,
        group: str = "constituent",
        features: list[str] = list(PARTICLE_NET),  # noqa: B006 - never changed
        order: str | None = None,
        length: PointCount | None = None,
        jet: str | None = None,
        where: str | None = None,
        globals: list[str] | None = None,
        normalise: Normalise = "standard",
        coordinates: list[str] | None = None,
    ) -> None:
        super().__init__(
            group, features, length, order, jet, where, globals, normalise, coordinates
        )
