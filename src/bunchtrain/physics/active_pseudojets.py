"""Active pseudojets of many jets during clustering, with the nearest neighbour of each."""

from __future__ import annotations

import numpy as np

from bunchtrain.physics.kinematics import azimuth, is_narrow, rapidity
from bunchtrain.physics.packed import Flags, Floats, Ints

#: Pairs of points evaluated per step when jets are activated.
PAIRS = 100_000


class ActivePseudojets:
    """The active pseudojets of each jet, in the first slots, and their nearest neighbours."""

    def __init__(self, momenta: Floats, lengths: Ints, kt: bool) -> None:
        jets, slots = len(lengths), int(lengths[0])
        self.kt = kt
        # one array for all values of a slot: E, px, py, pz, y, φ, pT², ΔR² to the nearest and the
        # smaller pT² of the two
        self.values = np.zeros((9, jets, slots))
        self.values[:4, np.arange(slots) < lengths[:, None]] = momenta.T
        self.values[4] = rapidity(*self.values[:4])
        self.values[5] = azimuth(self.values[1], self.values[2])
        self.values[6] = self.values[1] ** 2 + self.values[2] ** 2
        self.values[7:] = np.inf
        self.y, self.phi, self.pt2, self.nearest_distance, self.softer = self.values[4:]
        self.nearest_index = np.zeros((jets, slots), dtype=np.int64)  # the nearest slot
        self.narrow = is_narrow(self.phi)

    def activate(self, first: int, last: int, size: int) -> None:
        """Find all neighbours within newly activated jets."""
        step = max(1, PAIRS // size**2)
        for low in range(first, last, step):
            jets, slots = np.indices((min(step, last - low), size)).reshape(2, -1)
            self.search(jets + low, slots, size)

    def search(self, jets: Ints, slots: Ints, size: int) -> None:
        """Find the nearest neighbour of these slots among the first `size`."""
        delta_y = self.y[jets, :size] - self.y[jets, slots][:, None]
        delta_phi = self.phi[jets, :size] - self.phi[jets, slots][:, None]
        self._set_nearest(jets, slots, self.delta_r2(delta_y, delta_phi))

    def _set_nearest(self, jets: Ints, slots: Ints, distance: Floats) -> None:
        """Set the nearest neighbour of these slots from ΔR² to all other slots."""
        rows = np.arange(len(jets))
        distance[rows, slots] = np.inf
        nearest = distance.argmin(1)
        self.nearest_distance[jets, slots] = distance[rows, nearest]
        self.nearest_index[jets, slots] = nearest
        if self.kt:
            self.softer[jets, slots] = np.minimum(self.pt2[jets, slots], self.pt2[jets, nearest])

    def closest(self, count: int, size: int) -> tuple[Ints, Ints]:
        """Return the two slots (lower, upper) of smallest d_ij in each of the first jets."""
        measure = self.nearest_distance[:count, :size]
        if self.kt:
            measure = measure * self.softer[:count, :size]
        one = measure.argmin(1)
        other = self.nearest_index[np.arange(count), one]
        return np.minimum(one, other), np.maximum(one, other)

    def merge(self, lower: Ints, upper: Ints, size: int) -> None:
        """Add `upper` to `lower`, move the last slot into the gap and update the neighbours."""
        jets = np.arange(len(lower))
        self._add(jets, lower, upper)
        index = self.nearest_index[: len(jets), :size]
        stale = (index == lower[:, None]) | (index == upper[:, None])
        np.copyto(index, upper[:, None], where=index == size - 1)
        stale[jets, upper] = stale[:, -1]
        self.values[:, jets, upper] = self.values[:, jets, size - 1]
        self.nearest_index[jets, upper] = self.nearest_index[jets, size - 1]
        if size > 2:
            self._update_neighbours(jets, lower, stale[:, :-1], size - 1)

    def _add(self, jets: Ints, lower: Ints, upper: Ints) -> None:
        total = self.values[:4, jets, lower] + self.values[:4, jets, upper]
        self.values[:4, jets, lower] = total
        self.y[jets, lower] = rapidity(*total)
        self.phi[jets, lower] = azimuth(total[1], total[2])
        self.pt2[jets, lower] = total[1] ** 2 + total[2] ** 2

    def _update_neighbours(self, jets: Ints, fresh: Ints, stale: Flags, size: int) -> None:
        count = len(jets)
        delta_y = self.y[:count, :size] - self.y[jets, fresh][:, None]
        delta_phi = self.phi[:count, :size] - self.phi[jets, fresh][:, None]
        distance = self.delta_r2(delta_y, delta_phi)
        self._set_nearest(jets, fresh, distance)
        nearer = distance < self.nearest_distance[:count, :size]
        np.copyto(self.nearest_distance[:count, :size], distance, where=nearer)
        np.copyto(self.nearest_index[:count, :size], fresh[:, None], where=nearer)
        if self.kt:
            softer = np.minimum(self.pt2[:count, :size], self.pt2[jets, fresh][:, None])
            np.copyto(self.softer[:count, :size], softer, where=nearer)
        stale &= ~nearer  # the merged pseudojet is nearer than all others were
        stale[jets, fresh] = False  # set above
        rows, slots = np.nonzero(stale)
        self.search(rows, slots, size)

    def delta_r2(self, delta_y: Floats, delta_phi: Floats) -> Floats:
        """Return ΔR² from the differences, which are overwritten."""
        if not self.narrow:
            np.abs(delta_phi, out=delta_phi)
            np.minimum(delta_phi, 2 * np.pi - delta_phi, out=delta_phi)
        delta_y *= delta_y
        delta_phi *= delta_phi
        delta_y += delta_phi
        return delta_y
