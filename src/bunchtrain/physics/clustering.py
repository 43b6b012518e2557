"""Sequential recombination of many jets at once: kT and Cambridge/Aachen.

d_ij = min(pT_i^2p, pT_j^2p) ΔR_ij², the closest two of a jet are added until one is left
(arXiv:0802.1189); p = 1 is kT, p = 0 Cambridge/Aachen. Every point remembers its geometric
neighbour, so that a step costs O(n) (hep-ph/0512210).

The jets come from the fullest to the emptiest and one joins in as soon as the others have been
clustered down to as many points as it has: at every step all jets at work have the same number of
points, and none is padded.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from bunchtrain.physics.kinematics import azimuth, is_narrow, rapidity
from bunchtrain.physics.packed import Floats, Ints

#: Jets clustered at once take about this much, so that they stay near the processor.
CACHE = 16_000_000
#: Pairs of points looked at in one go when a jet joins in.
PAIRS = 100_000


def bytes_each(size: int) -> float:
    """Return the memory that clustering takes for a jet of so many points."""
    return 320 * size


@dataclass
class Trees:
    """The clustering trees of a group of jets of descending multiplicity n.

    nodes     (jets, 2 n_max, 4) momenta: the points in 0 … n − 1, what step t made in n + t.
    children  (jets, n_max, 2) the nodes that step t added.
    axes      N → (jets, N, 2) rapidity and azimuth when N were left, for the jets with n ≥ N.
    """

    lengths: Ints
    nodes: Floats
    children: Ints
    axes: dict[int, Floats] = field(default_factory=dict)


class _Neighbours:
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
        self.numbers = np.zeros((2, jets, slots), dtype=np.int64)
        self.who, self.node = self.numbers  # nearest slot, node of the tree
        self.node[:] = np.arange(slots)
        self.narrow = is_narrow(self.angle)

    def join(self, first: int, last: int, size: int) -> None:
        """Find all neighbours within jets that have just come to work."""
        step = max(1, PAIRS // size**2)
        for low in range(first, last, step):
            jets, slots = np.indices((min(step, last - low), size)).reshape(2, -1)
            self.search(jets + low, slots, size)

    def search(self, jets: Ints, slots: Ints, size: int) -> None:
        """Find the nearest neighbour of these slots among the first `size`."""
        flat = np.arange(len(jets))
        rise = self.height[jets, :size] - self.height[jets, slots][:, None]
        turn = self.angle[jets, :size] - self.angle[jets, slots][:, None]
        apart = self.apart(rise, turn)
        apart[flat, slots] = np.inf
        who = apart.argmin(1)
        self.near[jets, slots] = apart[flat, who]
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

    def merge(self, lower: Ints, upper: Ints, size: int, node: Ints) -> None:
        """Add `upper` to `lower`, close the gap with the last slot and mend the neighbours."""
        jets = np.arange(len(lower))
        self._add(jets, lower, upper, node)
        who = self.who[: len(jets), :size]
        stale = (who == lower[:, None]) | (who == upper[:, None])
        np.copyto(who, upper[:, None], where=who == size - 1)
        stale[jets, upper] = stale[:, -1]
        for packed in (self.values, self.numbers):
            packed[:, jets, upper] = packed[:, jets, size - 1]
        if size > 2:
            self._mend(jets, lower, stale[:, :-1], size - 1)

    def _add(self, jets: Ints, lower: Ints, upper: Ints, node: Ints) -> None:
        total = self.values[:4, jets, lower] + self.values[:4, jets, upper]
        self.values[:4, jets, lower] = total
        self.height[jets, lower] = rapidity(*total)
        self.angle[jets, lower] = azimuth(total[1], total[2])
        self.pt2[jets, lower] = total[1] ** 2 + total[2] ** 2
        self.node[jets, lower] = node

    def _mend(self, jets: Ints, fresh: Ints, stale: np.ndarray, size: int) -> None:
        count = len(jets)
        rise = self.height[:count, :size] - self.height[jets, fresh][:, None]
        turn = self.angle[:count, :size] - self.angle[jets, fresh][:, None]
        apart = self.apart(rise, turn)
        apart[jets, fresh] = np.inf
        nearer = apart < self.near[:count, :size]
        np.copyto(self.near[:count, :size], apart, where=nearer)
        np.copyto(self.who[:count, :size], fresh[:, None], where=nearer)
        if self.kt:
            softer = np.minimum(self.pt2[:count, :size], self.pt2[jets, fresh][:, None])
            np.copyto(self.softer[:count, :size], softer, where=nearer)
        stale &= ~nearer  # the new one is nearer than all others were
        stale[jets, fresh] = True
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


def cluster(momenta: Floats, lengths: Ints, kt: bool, left: tuple[int, ...] = ()) -> Trees:
    """Return the clustering trees of packed momenta (points, 4), E-scheme, no beam distance.

    The jets must be of descending multiplicity, with at least one point each, and are quickest
    when they face φ = 0. `left` are the
    numbers of remaining jets for which the axes are kept: exclusive jets.
    """
    slots = int(lengths[0])
    state = _Neighbours(momenta, lengths, kt)
    nodes = np.zeros((len(lengths), 2 * slots, 4))
    nodes[:, :slots] = np.moveaxis(state.values[:4], 0, -1)
    trees = Trees(lengths, nodes, np.zeros((len(lengths), slots, 2), dtype=np.int64))
    begun = 0
    for size in range(slots, 0, -1):
        count = int(np.searchsorted(-lengths, -size, side="right"))
        if count > begun and size > 1:
            state.join(begun, count, size)
        begun = count
        if size in left:
            trees.axes[size] = np.stack([state.height, state.angle], -1)[:count, :size]
        if size > 1:
            _step(trees, state, count, size)
    return trees


def _step(trees: Trees, state: _Neighbours, count: int, size: int) -> None:
    jets = np.arange(count)
    lower, upper = state.closest(count, size)
    step = trees.lengths[:count] - size
    trees.children[jets, step] = np.stack(
        [state.node[jets, lower], state.node[jets, upper]], axis=-1
    )
    node = trees.lengths[:count] + step
    state.merge(lower, upper, size, node)
    trees.nodes[jets, node] = state.values[:4, jets, lower].T
