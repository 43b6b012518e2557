"""From the steps of particles to the columns of a source: cells of layers, or voxels."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar, Protocol

import awkward as ak
import numpy as np

from bunchtrain.simulation.detectors import hits, voxels
from bunchtrain.simulation.detectors.beam import Primaries
from bunchtrain.simulation.detectors.cells import Cells
from bunchtrain.simulation.detectors.hits import Deposits, hit_columns, join, sum_steps
from bunchtrain.simulation.detectors.layers import Floats, Stack
from bunchtrain.simulation.detectors.quenching import of_layers, visible_energy
from bunchtrain.simulation.detectors.voxels import Voxels, voxel_columns

#: Energy of a pair of electron and hole in silicon, GeV.
PAIR = 3.62e-9
#: Points into which the charge of a step is divided.
POINTS = 10


class Readout(Protocol):
    """Collects the steps of the particles of a part.

    layout  column → awkward type.
    """

    layout: ClassVar[Mapping[str, str]]

    def add(self, particle: int, steps: Floats) -> None:
        """Add the steps of a particle, (steps, 6) or (steps, 7)."""

    def columns(self, primaries: Primaries, events: int, first: int) -> dict[str, ak.Array]:
        """Return the columns of the part, whose first event has the number `first`."""


class CellReadout:
    """Energy in the cells of layers, of light where the recipe has constants of Birks."""

    layout: ClassVar[Mapping[str, str]] = hits.LAYOUT

    def __init__(self, stack: Stack, recipe: Mapping[str, Any], seed: Sequence[int]) -> None:
        self.cells, self.found = Cells(stack), list[Deposits]()
        self.constants = of_layers(recipe.get("birks", {}), stack)

    def add(self, particle: int, steps: Floats) -> None:
        """Add the steps of a particle."""
        x, y, z, time, energy, layer = steps.T[:6]
        layer = layer.astype(np.int64)
        if self.constants.any():
            energy = visible_energy(energy, steps[:, 6], self.constants[layer])
        number = self.cells.index(layer, x, y, z)
        self.found.append(sum_steps(np.full(len(steps), particle), number, energy / 1000, time))

    def columns(self, primaries: Primaries, events: int, first: int) -> dict[str, ak.Array]:
        """Return the columns of hits."""
        return hit_columns(primaries, join(self.found), self.cells, events, first)


class PixelReadout(CellReadout):
    """Charge in the pixels of thin layers, with diffusion and a threshold."""

    def __init__(self, stack: Stack, recipe: Mapping[str, Any], seed: Sequence[int]) -> None:
        super().__init__(stack, recipe, seed)
        self.half, self.spread = stack.width / 2, recipe["diffusion"]
        self.threshold = recipe["threshold"] * PAIR
        self.random = np.random.default_rng([*seed, 1])

    def add(self, particle: int, steps: Floats) -> None:
        """Add the steps of a particle, each of which is divided into points that diffuse."""
        if self.spread:
            steps = np.repeat(steps, POINTS, axis=0)
            steps[:, 4] /= POINTS
            steps[:, :2] += self.spread * self.random.normal(size=(len(steps), 2))
            steps[:, :2] = np.clip(steps[:, :2], -self.half, self.half)
        super().add(particle, steps)

    def columns(self, primaries: Primaries, events: int, first: int) -> dict[str, ak.Array]:
        """Return the columns of hits above the threshold."""
        made = above(join(self.found), primaries, self.threshold)
        return hit_columns(primaries, made, self.cells, events, first)


def above(deposits: Deposits, primaries: Primaries, threshold: float) -> Deposits:
    """Return the deposits in cells whose energy in an event is at least the threshold in GeV."""
    place = np.stack([primaries.event[deposits.particle], deposits.cell])
    _, cell = np.unique(place, axis=1, return_inverse=True)
    cell = cell.reshape(-1)
    kept = np.bincount(cell, deposits.energy)[cell] >= threshold if len(cell) else cell > 0
    return Deposits(*(getattr(deposits, field.name)[kept] for field in fields(Deposits)))


class VoxelReadout:
    """Energy in cubes of a volume."""

    layout: ClassVar[Mapping[str, str]] = voxels.LAYOUT

    def __init__(self, stack: Stack, recipe: Mapping[str, Any], seed: Sequence[int]) -> None:
        self.voxels = Voxels(stack, recipe["voxel"])
        self.found = list[Deposits]()

    def add(self, particle: int, steps: Floats) -> None:
        """Add the steps of a particle."""
        x, y, z, time, energy, _, pdg = steps.T
        number = self.voxels.index(x, y, z)
        self.found.append(
            sum_steps(
                np.full(len(steps), particle), number, energy / 1000, time, pdg.astype(np.int64)
            )
        )

    def columns(self, primaries: Primaries, events: int, first: int) -> dict[str, ak.Array]:
        """Return the columns of voxels."""
        return voxel_columns(primaries, join(self.found), self.voxels, events, first)


#: Name in a recipe → readout.
READOUTS: dict[str, Callable[[Stack, Mapping[str, Any], Sequence[int]], Readout]] = {
    "cells": CellReadout,
    "pixels": PixelReadout,
    "voxels": VoxelReadout,
}
