"""From the steps of particles to the columns of a source: cells of layers, or voxels."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Protocol

import awkward as ak
import numpy as np

from bunchtrain.simulation.detectors.beam import Primaries
from bunchtrain.simulation.detectors.cells import Cells
from bunchtrain.simulation.detectors.hits import Deposits, hit_columns, join, sum_steps
from bunchtrain.simulation.detectors.layers import Floats, Stack
from bunchtrain.simulation.detectors.voxels import Voxels, voxel_columns


class Readout(Protocol):
    """Collects the steps of the particles of a part."""

    def add(self, particle: int, steps: Floats) -> None:
        """Add the steps of a particle, (steps, 6) or (steps, 7)."""

    def columns(self, primaries: Primaries, events: int, first: int) -> dict[str, ak.Array]:
        """Return the columns of the part, whose first event has the number `first`, and forget."""


class CellReadout:
    """Energy in the cells of layers."""

    def __init__(self, stack: Stack, recipe: Mapping[str, Any]) -> None:
        self.cells, self.found = Cells(stack), list[Deposits]()

    def add(self, particle: int, steps: Floats) -> None:
        """Add the steps of a particle."""
        x, y, z, time, energy, layer = steps.T[:6]
        number = self.cells.number(layer.astype(np.int64), x, y, z)
        self.found.append(sum_steps(np.full(len(steps), particle), number, energy / 1000, time))

    def columns(self, primaries: Primaries, events: int, first: int) -> dict[str, ak.Array]:
        """Return the columns of hits."""
        made, self.found = join(self.found), []
        return hit_columns(primaries, made, self.cells, events, first)


class VoxelReadout:
    """Energy in cubes of a volume."""

    def __init__(self, stack: Stack, recipe: Mapping[str, Any]) -> None:
        self.voxels = Voxels(stack, recipe["voxel"])
        self.found = list[Deposits]()

    def add(self, particle: int, steps: Floats) -> None:
        """Add the steps of a particle."""
        x, y, z, time, energy, _, pdg = steps.T
        number = self.voxels.number(x, y, z)
        self.found.append(
            sum_steps(
                np.full(len(steps), particle), number, energy / 1000, time, pdg.astype(np.int64)
            )
        )

    def columns(self, primaries: Primaries, events: int, first: int) -> dict[str, ak.Array]:
        """Return the columns of voxels."""
        made, self.found = join(self.found), []
        return voxel_columns(primaries, made, self.voxels, events, first)


#: Name in a recipe → readout.
READOUTS = {"cells": CellReadout, "voxels": VoxelReadout}
