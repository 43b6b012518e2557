"""Occupied cells of a grid, their neighbours, and the cells of twice the side that hold them.

A cell at (i, j, k) of an event has the key ((event · S₁ + i) · S₂ + j) · S₃ + k, so that a
neighbour is a constant away. If there are not many more keys in the box that holds the cells than
cells, a table of the row of each key gives the neighbours; otherwise they are found by bisection.
An export has a comparison of all pairs of rows instead, and as many rows as there are points, of
which those that are no cells are masked: none of its shapes may depend on the data.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from operator import mul

import numpy as np
import torch
from torch import Tensor

#: Cells along an axis on either side of the origin; 2³ of their square fit 64 bits with events.
LIMIT = 2**15
#: Number of cells that the longest filter, of 9, reaches beyond a cell.
REACH = 4
#: Distance of keys along an axis in an export: cells on both sides, and those of filters beyond.
SIDE = 2 * LIMIT + 2 * REACH
#: Largest number of axes.
MAX_AXES = 3
#: Largest number of keys for each cell, and of all keys, for which there is a table of their rows.
KEYS_OF_CELL, KEYS = 512, 2**26


@dataclass(frozen=True)
class Cells:
    """Occupied cells, sorted by event and place.

    event   (cells,) index of the event.
    place   (cells, axes) whole numbers.
    key     (cells,) rising; negative in rows of an export that are no cells.
    steps   distance of keys along each axis.
    keys    number of different keys that there can be.
    events  number of events.
    mask    (cells, 1) 0 in rows of an export that are no cells, else None.
    """

    event: Tensor
    place: Tensor
    key: Tensor
    steps: tuple[int, ...]
    keys: int
    events: int
    mask: Tensor | None = None

    def keep(self, values: Tensor) -> Tensor:
        """Return values (cells, channel), 0 in rows that are no cells."""
        return values if self.mask is None else values * self.mask

    def sum(self, values: Tensor) -> Tensor:
        """Return the sums over the cells of each event, (events, channel)."""
        total = values.new_zeros((self.events, values.shape[1]))
        return total.index_add(0, self.event, self.keep(values))


def neighbour_table(cells: Cells, kernel: int, sign: int = 1) -> Tensor:
    """Return the row of each neighbour, or the number of cells if it is not occupied.

    (cells, kernel^axes) whole numbers, in the order of the filters of a dense convolution.

    kernel  number of cells along each axis.
    sign    1, or −1 for the cells of which each one is the neighbour.
    """
    reach = range(-((kernel - 1) // 2), kernel // 2 + 1)
    offsets = product(reach, repeat=cells.place.shape[1])
    steps = [sign * sum(map(mul, each, cells.steps)) for each in offsets]
    if torch.compiler.is_exporting():
        return torch.stack([_find_in_matrix(cells.key, cells.key + step) for step in steps], 1)
    if cells.keys <= min(KEYS_OF_CELL * len(cells.key), KEYS):
        return _find_in_table(cells, steps)
    return _find_by_bisection(cells.key, steps)


def find_cells(event: Tensor, place: Tensor, events: int) -> tuple[Cells, Tensor]:
    """Return the cells that hold points, and the row of the cell of each point, (points,).

    event   (points,) index of the event.
    place   (points, axes) whole numbers within ±`LIMIT`.
    events  number of events.
    """
    if torch.compiler.is_exporting():
        return _all_rows(event, place, events)
    low, sides = _box(place)
    key = event
    for axis, side in zip((place - low).unbind(1), sides, strict=True):
        key = key * side + axis
    found, row = _distinct(key)
    first = torch.empty_like(found).scatter_(0, row, torch.arange(len(key), device=key.device))
    steps = tuple(math.prod(sides[k + 1 :]) for k in range(len(sides)))
    cells = Cells(event[first], place[first], found, steps, events * math.prod(sides), events)
    return cells, row


def pool_cells(cells: Cells) -> tuple[Cells, Tensor, Tensor]:
    """Return the cells of twice the side, the row of each cell in them, and its corner.

    Corners (cells,) count the 2^axes cells of a larger one in the order of the filters.
    """
    place = torch.div(cells.place, 2, rounding_mode="floor")
    larger, row = find_cells(cells.event, place, cells.events)
    corner = torch.zeros_like(cells.event)
    for half in (cells.place - 2 * place).unbind(1):
        corner = 2 * corner + half
    return larger, row, corner


def _box(place: Tensor) -> tuple[Tensor, list[int]]:
    """Return the lowest place along each axis, and the distances of keys that separate filters."""
    if not len(place):
        return place.new_zeros(place.shape[1]), [1] * place.shape[1]
    low, high = torch.aminmax(place, dim=0)
    return low, [side + 1 + REACH for side in (high - low).tolist()]


def _distinct(key: Tensor) -> tuple[Tensor, Tensor]:
    """Return the distinct keys, rising, and the index of each key among them."""
    if key.device.type == "cpu":  # by NumPy in half of the time
        found, row = np.unique(key.numpy(), return_inverse=True)
        return torch.from_numpy(found), torch.from_numpy(row)
    pair: tuple[Tensor, Tensor] = torch.unique(key, return_inverse=True)
    return pair


def _find_in_table(cells: Cells, steps: list[int]) -> Tensor:
    """Return the row of each neighbour, from a table of the row of each key."""
    count, device = len(cells.key), cells.key.device
    beyond = max(abs(step) for step in steps)
    rows = torch.full((cells.keys + 2 * beyond,), count, dtype=torch.int32, device=device)
    place = (cells.key + beyond).to(torch.int32)
    rows[place.long()] = torch.arange(count, dtype=torch.int32, device=device)
    wanted = place[:, None] + torch.tensor(steps, dtype=torch.int32, device=device)
    return rows.index_select(0, wanted.flatten()).view(count, len(steps))


def _find_by_bisection(key: Tensor, steps: list[int]) -> Tensor:
    """Return the row of each neighbour, by bisection of the keys on the processor.

    Successive keys are in successive rows: the first of them alone is searched for.
    """
    count, last = len(key), np.iinfo(np.int64).max
    keys = np.append(key.cpu().numpy(), last)
    found = np.empty((len(steps), count), dtype=np.int32)
    row = same = np.zeros(count, dtype=np.int64)
    previous: int | None = None
    for step, column in sorted(zip(steps, range(len(steps)), strict=True)):
        wanted = keys[:-1] + step
        row = row + same if step - 1 == previous else np.searchsorted(keys[:-1], wanted)
        same, previous = keys[row] == wanted, step
        found[column] = np.where(same, row, count)
    return torch.from_numpy(found.T.copy()).to(key.device)


def _all_rows(event: Tensor, place: Tensor, events: int) -> tuple[Cells, Tensor]:
    """Return the cells in the rows of their first points, for exports."""
    axes = place.shape[1]
    key = event
    for axis in place.unbind(1):
        key = key * SIDE + axis + SIDE // 2
    index = torch.arange(key.shape[0], device=key.device)
    row = (key[:, None] == key).to(torch.int32).argmax(1)  # the first of equal keys
    is_cell = row == index
    key = torch.where(is_cell, key, -1 - index)
    steps = tuple(SIDE ** (axes - 1 - k) for k in range(axes))
    mask = is_cell[:, None].to(torch.float32)
    return Cells(event, place, key, steps, events * SIDE**axes, events, mask), row


def _find_in_matrix(key: Tensor, wanted: Tensor) -> Tensor:
    """Return the row of each wanted key, or their number where it is not there."""
    same = wanted[:, None] == key
    return torch.where(same.any(1), same.to(torch.int32).argmax(1), key.shape[0])
