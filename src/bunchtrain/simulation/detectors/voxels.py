"""Cubes of a volume that is read out everywhere, as a liquid-argon detector."""

from __future__ import annotations

import awkward as ak
import numpy as np

from bunchtrain.errors import StudyError
from bunchtrain.simulation.detectors.beam import Primaries
from bunchtrain.simulation.detectors.cells import Ints
from bunchtrain.simulation.detectors.hits import (
    PARTICLES,
    UNITS_OF_PARTICLES,
    Deposits,
    find_runs,
    of_events,
    particle_columns,
    sum_runs,
)
from bunchtrain.simulation.detectors.layers import Floats, Stack

#: Column → awkward type.
LAYOUT = {
    **PARTICLES,
    **{f"voxel_{name}": "var * float32" for name in ("x", "y", "z", "energy", "time")},
    **{"voxel_particle": "var * int64", "voxel_pdg": "var * int64"},
}
UNITS = {
    **UNITS_OF_PARTICLES,
    **{f"voxel_{axis}": "mm" for axis in "xyz"},
    **{"voxel_energy": "GeV", "voxel_time": "ns"},
}


class Voxels:
    """Numbers and middles of cubes.

    stack  of one plate.
    size   side of the cubes in mm.

    Raises StudyError if there are more than 2⁶² of them.
    """

    def __init__(self, stack: Stack, size: float) -> None:
        self.size = size
        self.corner = np.array([-stack.width / 2, -stack.width / 2, stack.front])
        extent = np.array([stack.width, stack.width, stack.back - stack.front])
        self.counts = np.ceil(extent / size - 1e-9).astype(np.int64)
        if np.prod(self.counts.astype(float)) > 2**62:
            raise StudyError(f"voxel: there are too many cubes of {size:g} mm; make them larger")

    def index(self, x: Floats, y: Floats, z: Floats) -> Ints:
        """Return the number of the cube of each position in mm, (n,)."""
        place = np.floor((np.stack([x, y, z], 1) - self.corner) / self.size).astype(np.int64)
        i, j, k = np.clip(place, 0, self.counts - 1).T
        number: Ints = (i * self.counts[1] + j) * self.counts[2] + k
        return number

    def place(self, number: Ints) -> Floats:
        """Return the middle of cubes in mm, (n, 3)."""
        rest, k = np.divmod(number, self.counts[2])
        i, j = np.divmod(rest, self.counts[1])
        middle: Floats = self.corner + (np.stack([i, j, k], 1) + 0.5) * self.size
        return middle


def voxel_columns(
    primaries: Primaries, deposits: Deposits, voxels: Voxels, events: int, first: int
) -> dict[str, ak.Array]:
    """Return the columns of `LAYOUT` without `deposited`, for the events from `first` on.

    A voxel with energy of several incident particles has the particle, the time and the number of
    the Particle Data Group of the largest deposit.
    """
    event = primaries.event[deposits.particle]
    order = np.lexsort((-deposits.energy, deposits.cell, event))
    event, cell = event[order], deposits.cell[order]
    start, _ = find_runs(event, cell)
    total = sum_runs(deposits.energy[order], start)
    main = order[start]
    number = np.bincount(event[start], minlength=events)
    values = dict(zip("xyz", voxels.place(cell[start]).T, strict=True))
    values |= {"energy": total, "time": deposits.time[main], "pdg": deposits.pdg[main]}
    values["particle"] = of_events(primaries, events)[deposits.particle[main]]
    found = particle_columns(primaries, deposits, events, first)
    return found | {f"voxel_{n}": ak.unflatten(v, number) for n, v in values.items()}
