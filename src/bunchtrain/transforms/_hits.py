"""Base of classical clusterings of hits: columns, coordinates in units of a length, energies."""

from __future__ import annotations

from collections.abc import Collection, Sequence

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError, StudyError
from bunchtrain.transforms._clustering import Clustering, Floats, Ints


class HitClustering(Clustering):
    """Objects of hits that are close in some coordinates.

    group        prefix of the columns of the hits.
    coordinates  their suffixes.
    scales       length of each coordinate that counts as 1; all 1 if empty.
    energy       suffix of the column of the energy.
    least        smallest number of hits of an object.
    """

    def __init__(
        self,
        group: str,
        coordinates: Sequence[str],
        scales: Sequence[float],
        energy: str,
        least: int,
    ) -> None:
        if scales and len(scales) != len(coordinates):
            raise StudyError(
                f"transform '{self.name}': there are {len(coordinates)} coordinates and "
                f"{len(scales)} scales; give one of each"
            )
        self.places = [f"{group}_{one}" for one in coordinates]
        self.scales = np.array(scales or [1.0] * len(coordinates))
        self.energy, self.least = f"{group}_{energy}", least

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns of events that it reads; DataError names the nearest to a missing."""
        return self.require([*self.places, self.energy], available)

    def read(self, events: ak.Array, counts: Ints) -> tuple[Floats, Floats, Ints]:
        """Return coordinates (hits, coordinate), energies (hits,) and the event of each hit.

        Raises DataError for a value that is not finite or a negative energy, with event and hit.
        """
        event = np.repeat(np.arange(len(counts)), counts)
        found = [ak.to_numpy(ak.flatten(events[n])).astype(np.float64) for n in self.places]
        energy = ak.to_numpy(ak.flatten(events[self.energy])).astype(np.float64)
        start = np.cumsum(counts) - counts
        for name, values in [*zip(self.places, found, strict=True), (self.energy, energy)]:
            wrong = ~np.isfinite(values) | ((values < 0) & (name == self.energy))
            if wrong.any():
                at = int(np.flatnonzero(wrong)[0])
                raise DataError(
                    f"transform '{self.name}': '{name}' of hit {at - start[event[at]]} of event "
                    f"{event[at]} in this block is {values[at]:g}; remove such hits"
                )
        return np.stack(found, 1) / self.scales, energy, event


def separate(points: Floats, event: Ints, distance: float) -> Floats:
    """Return points with one more coordinate, so that those of two events are further apart.

    points    (points, coordinate).
    event     (points,).
    distance  between two events, exceeded by half of itself.
    """
    return np.column_stack([points, 1.5 * distance * event])
