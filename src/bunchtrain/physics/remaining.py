"""What is left of many jets while they are clustered, and which two of each are closest."""

from __future__ import annotations

import numpy as np

from bunchtrain.physics.kinematics import azimuth, is_narrow, rapidity
from bunchtrain.physics.packed import Flags, Floats, Ints

#: Pairs of points looked at in one go when a jet joins in.
PAIRS = 100_000


class Remaining:
    """What is left of each jet, in the first slots, and the nearest neighbour of every slot."""

    def __init__(self, momenta: Floats, lengths: Ints, kt: bool) -> None:
        jets, slots = len(lengths), int(lengths[0])
        self.kt = kt
        # one array for what moves together: E, px, py, pz, y, φ, pT², ΔR² to the nearest and the
        # smaller pT² of the two
        self.values = np.zeros((9, jets, slots))
        self.values[:4, np.arange(slots) < lengths[:, None]] = momenta.T
        self.values[4] = rapidity(*self.values[:4])
        self.values[5] = azimuth(self.values[1], self.values[2])
        self.values[6] = self.values[1] ** 2 + self.values[2] ** 2
        self.values[7:] = np.inf
        self.height, self.angle, self.pt2, self.near, self.softer = self.values[4:]
        self.who = np.zeros((jets, slots), dtype=np.int64)  # the nearest slot
        self.narrow = is_narrow(self.angle)

    def join(self, first: int, last: int, size: int) -> None:
        """Find all neighbours within jets that have just come to work."""
        step = max(1, PAIRS // size**2)
        for low in range(first, last, step):
            jets, slots = np.indices((min(step, last - low), size)).reshape(2, -1)
            self.search(jets + low, slots, size)

    def search(self, jets: Ints, slots: Ints, size: int) -> None:
        """Find the nearest neighbour of these slots among the first `size`."""
        rise = self.height[jets, :size] - self.height[jets, slots][:, None]
        turn = self.angle[jets, :size] - self.angle[jets, slots][:, None]
        self._settle(jets, slots, self.apart(rise, turn))

    def _settle(self, jets: Ints, slots: Ints, apart: Floats) -> None:
        """Note the nearest neighbour of these slots, by ΔR² to each of the others."""
        rows = np.arange(len(jets))
        apart[rows, slots] = np.inf
        who = apart.argmin(1)
        self.near[jets, slots] = apart[rows, who]
        self.who[jets, slots] = who
        if self.kt:
            self.softer[jets, slots] = np.minimum(self.pt2[jets, slots], self.pt2[jets, who])

    def closest(self, count: int, size: int) -> tuple[Ints, Ints]:
        """Return the two slots (lower, upper) of smallest d_ij in each of the first jets."""
        measure = self.near[:count, :size]
        if self.kt:
            measure = measure * self.softer[:count, :size]
        one = measure.argmin(1)
        other = self.who[np.arange(count), one]
        return np.minimum(one, other), np.maximum(one, other)

    def merge(self, lower: Ints, upper: Ints, size: int) -> None:
        """Add `upper` to `lower`, close the gap with the last slot and mend the neighbours."""
        jets = np.arange(len(lower))
        self._add(jets, lower, upper)
        who = self.who[: len(jets), :size]
        stale = (who == lower[:, None]) | (who == upper[:, None])
        np.copyto(who, upper[:, None], where=who == size - 1)
        stale[jets, upper] = stale[:, -1]
        self.values[:, jets, upper] = self.values[:, jets, size - 1]
        self.who[jets, upper] = self.who[jets, size - 1]
        if size > 2:
            self._mend(jets, lower, stale[:, :-1], size - 1)

    def _add(self, jets: Ints, lower: Ints, upper: Ints) -> None:
        total = self.values[:4, jets, lower] + self.values[:4, jets, upper]
        self.values[:4, jets, lower] = total
        self.height[jets, lower] = rapidity(*total)
        self.angle[jets, lower] = azimuth(total[1], total[2])
        self.pt2[jets, lower] = total[1] ** 2 + total[2] ** 2

    def _mend(self, jets: Ints, fresh: Ints, stale: Flags, size: int) -> None:
        count = len(jets)
        rise = self.height[:count, :size] - self.height[jets, fresh][:, None]
        turn = self.angle[:count, :size] - self.angle[jets, fresh][:, None]
        apart = self.apart(rise, turn)
        self._settle(jets, fresh, apart)
        nearer = apart < self.near[:count, :size]
        np.copyto(self.near[:count, :size], apart, where=nearer)
        np.copyto(self.who[:count, :size], fresh[:, None], where=nearer)
        if self.kt:
            softer = np.minimum(self.pt2[:count, :size], self.pt2[jets, fresh][:, None])
            np.copyto(self.softer[:count, :size], softer, where=nearer)
        stale &= ~nearer  # the new one is nearer than all others were
        stale[jets, fresh] = False  # settled above
        rows, slots = np.nonzero(stale)
        self.search(rows, slots, size)

    def apart(self, rise: Floats, turn: Floats) -> Floats:
        """Return ΔR² from the differences, which are overwritten."""
        if not self.narrow:
            np.abs(turn, out=turn)
            np.minimum(turn, 2 * np.pi - turn, out=turn)
        rise *= rise
        turn *= turn
        rise += turn
        return rise
