"""Cells of the layers: the cell of a position, and the centre of a cell.

Square cells are centred on the axis; hexagonal ones form a lattice with a cell on the axis, whose
rows lie along x; projective ones are squares in (x, y)/(z − apex), and have the same numbers in all
layers. Cells of a layer are numbered row by row, and layers one after the other.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError
from bunchtrain.simulation.detectors.layers import Floats, Plate, Stack

Ints = NDArray[np.int64]
#: Largest number of cells of a detector.
MAX_CELLS = 2**31 - 1


@dataclass(frozen=True)
class Grid:
    """Cells of one layer.

    shape  of the cells.
    size   as the layer has it.
    rows   number of cells along y.
    columns  number of cells along x.
    """

    shape: str
    size: float
    rows: int
    columns: int

    def find(self, u: Floats, v: Floats) -> tuple[Ints, Ints]:
        """Return row and column of positions (n,); beyond the edge those of the last cell."""
        if self.shape == "hexagon":
            row, column = self._hexagon(u, v)
        else:
            row = np.floor(v / self.size + self.rows / 2)
            column = np.floor(u / self.size + self.columns / 2)
        return (
            np.clip(row, 0, self.rows - 1).astype(np.int64),
            np.clip(column, 0, self.columns - 1).astype(np.int64),
        )

    def centre(self, row: Ints, column: Ints) -> tuple[Floats, Floats]:
        """Return the position of the middle of cells, (n,) each."""
        if self.shape != "hexagon":
            x = (column + 0.5 - self.columns / 2) * self.size
            y = (row + 0.5 - self.rows / 2) * self.size
        else:
            j, i = row - self.rows // 2, column - self.columns // 2
            x = (i + (j % 2) / 2) * self.size
            y = j * self.size * np.sqrt(0.75)
        return x.astype(np.float64), y.astype(np.float64)

    def _hexagon(self, u: Floats, v: Floats) -> tuple[Floats, Floats]:
        """Return row and column of the nearest centre, by rounding of cube coordinates."""
        r = v / (self.size * np.sqrt(0.75))
        q = u / self.size - r / 2
        rounded = np.round(np.stack([q, r, -q - r]))  # (3, n), whose sum must be 0
        error = np.abs(rounded - np.stack([q, r, -q - r]))
        worst = error.argmax(0)
        left = rounded.sum(0)
        i, j = rounded[0] - left * (worst == 0), rounded[1] - left * (worst == 1)
        return j + self.rows // 2, i + np.floor(j / 2) + self.columns // 2


class Cells:
    """The cells of all layers of a detector.

    Raises StudyError if there are more than 2³¹ of them.
    """

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.grids = [_grid(plate, stack) for plate in stack.sensitive]
        counts = [grid.rows * grid.columns for grid in self.grids]
        self.first = np.concatenate([[0], np.cumsum(counts)])
        if self.first[-1] > MAX_CELLS:
            raise StudyError(f"{stack.where}: there are {self.first[-1]:,} cells; make them larger")

    def index(self, layer: Ints, x: Floats, y: Floats, z: Floats) -> Ints:
        """Return the number of the cell of each position, (n,) each, in mm.

        Raises DataError for a layer that does not exist or a position outside the detector.
        """
        half = self.stack.width / 2 * (1 + 1e-9)
        if len(layer) and (layer.min() < 0 or layer.max() >= len(self.grids)):
            outside = layer.max() if layer.max() >= len(self.grids) else layer.min()
            raise DataError(f"layer {outside} does not exist; there are {len(self.grids)}")
        if len(x) and max(np.abs(x).max(), np.abs(y).max()) > half:
            raise DataError(f"a hit lies outside the detector, |x| or |y| > {half:g} mm")
        found = np.zeros(len(layer), np.int64)
        for index, grid in enumerate(self.grids):
            own = np.flatnonzero(layer == index)
            if len(own):
                scale = z[own] - self.stack.apex if grid.shape == "projective" else 1.0
                row, column = grid.find(x[own] / scale, y[own] / scale)
                found[own] = self.first[index] + row * grid.columns + column
        return found

    def place(self, number: Ints) -> tuple[Ints, Floats, Floats, Floats]:
        """Return layer and position of the middle of cells in mm, (n,) each."""
        layer = np.searchsorted(self.first, number, side="right") - 1
        x, y = np.zeros(len(number)), np.zeros(len(number))
        z = self.stack.middles[layer]
        for index, grid in enumerate(self.grids):
            own = np.flatnonzero(layer == index)
            if len(own):
                row, column = np.divmod(number[own] - self.first[index], grid.columns)
                scale = z[own] - self.stack.apex if grid.shape == "projective" else 1.0
                u, v = grid.centre(row, column)
                x[own], y[own] = u * scale, v * scale
        return layer, x, y, z


def _grid(plate: Plate, stack: Stack) -> Grid:
    if plate.shape == "hexagon":
        half = stack.width / 2 / plate.cell
        rows = 2 * int(np.ceil(half / np.sqrt(0.75))) + 1
        return Grid(plate.shape, plate.cell, rows, 2 * int(np.ceil(half)) + 3)
    width = stack.width
    if plate.shape == "projective":
        nearest = min(one.front for one in stack.sensitive if one.shape == "projective")
        width = stack.width / (nearest - stack.apex)
    side = max(1, int(np.ceil(width / plate.cell - 1e-9)))
    return Grid(plate.shape, plate.cell, side, side)
