"""Occupied cells of a grid, their neighbours, and the cells of twice the side that hold them.

Cells are found by sorted keys: a cell at (i, j, k) of an event has the key
((event · S + i) · S + j) · S + k, so that a neighbour is a constant away and is found by bisection.
An export has a comparison of all pairs of rows instead, and as many rows as there are points, of
which those that are no cells are masked: none of its shapes may depend on the data.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import product

import numpy as np
import torch
from torch import Tensor

#: Cells along an axis on either side of the origin; 2³ of their square fit 64 bits with events.
LIMIT = 2**15
#: Distance of keys along an axis: cells on both sides, and as many as the longest filter beyond.
SIDE = 2 * LIMIT + 128
#: Largest number of axes.
MAX_AXES = 3


@dataclass(frozen=True)
class Cells:
    """Occupied cells, sorted by event and place.

    event   (cells,) index of the event.
    place   (cells, axes) whole numbers.
    key     (cells,) rising; negative in rows of an export that are no cells.
    events  number of events.
    mask    (cells, 1) 0 in rows of an export that are no cells, else None.
    """

    event: Tensor
    place: Tensor
    key: Tensor
    events: int
    mask: Tensor | None = None

    def keep(self, values: Tensor) -> Tensor:
        """Return values (cells, channel), 0 in rows that are no cells."""
        return values if self.mask is None else values * self.mask

    def sum(self, values: Tensor) -> Tensor:
        """Return the sums over the cells of each event, (events, channel)."""
        total = values.new_zeros((self.events, values.shape[1]))
        return total.index_add(0, self.event, self.keep(values))


@dataclass(frozen=True)
class Neighbours:
    """Pairs of occupied cells, sorted by the offset from the first to the second.

    first   (pairs,) row of a cell.
    second  (pairs,) row of its neighbour.
    counts  pairs of each offset, in the order of the filters of a dense convolution.
    """

    first: Tensor
    second: Tensor
    counts: list[int]


def find_neighbours(cells: Cells, kernel: int) -> Neighbours:
    """Return the pairs of cells at each offset, on the processor.

    Cells in a row along the last axis have successive keys: the first of them is found by
    bisection. For odd kernels the pairs at −o are those at o in reverse.
    """
    axes, key = cells.place.shape[1], cells.key.cpu().numpy()
    half, size = (kernel - 1) // 2, kernel**axes
    reach = range(-half, kernel // 2 + 1)
    padded = np.append(key, np.iinfo(np.int64).max)
    pairs = [(key[:0], key[:0])] * size
    mirrored = kernel % 2 == 1
    for index, offset in enumerate(product(reach, repeat=axes - 1)):
        if mirrored and index < kernel ** (axes - 1) // 2:
            continue
        wanted = key + _key_step((*offset, -half))
        row = np.searchsorted(key, wanted)
        for last in range(kernel):
            same = padded[row] == wanted + last
            first = np.flatnonzero(same)
            place = index * kernel + last
            pairs[place] = first, row[first]
            if mirrored:
                pairs[size - 1 - place] = row[first], first
            row += same
    rows = [np.concatenate(one) for one in zip(*pairs, strict=True)]
    near, far = (torch.from_numpy(one).to(cells.key.device) for one in rows)
    return Neighbours(near, far, [len(one) for one, _ in pairs])


def neighbour_table(cells: Cells, kernel: int) -> Tensor:
    """Return the row of each neighbour, or the number of cells if it is not occupied.

    (cells, kernel^axes), by comparison of all pairs of rows, for exports.
    """
    reach = range(-((kernel - 1) // 2), kernel // 2 + 1)
    offsets = product(reach, repeat=cells.place.shape[1])
    found = [_find_in_matrix(cells.key, cells.key + _key_step(each)) for each in offsets]
    return torch.stack(found, 1)


def find_cells(event: Tensor, place: Tensor, events: int) -> tuple[Cells, Tensor]:
    """Return the cells that hold points, and the row of the cell of each point, (points,).

    event   (points,) index of the event.
    place   (points, axes) whole numbers within ±`LIMIT`.
    events  number of events.
    """
    key = event
    for axis in place.unbind(1):
        key = key * SIDE + axis + SIDE // 2
    if torch.compiler.is_exporting():
        return _all_rows(event, place, key, events)
    found, row = torch.unique(key, return_inverse=True)
    first = torch.empty_like(found).scatter_(0, row, torch.arange(len(key), device=key.device))
    return Cells(event[first], place[first], found, events), row


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


def _key_step(offset: tuple[int, ...]) -> int:
    step = 0
    for one in offset:
        step = step * SIDE + one
    return step


def _all_rows(event: Tensor, place: Tensor, key: Tensor, events: int) -> tuple[Cells, Tensor]:
    """Return the cells in the rows of their first points, for exports."""
    index = torch.arange(key.shape[0], device=key.device)
    row = (key[:, None] == key).to(torch.int32).argmax(1)  # the first of equal keys
    is_cell = row == index
    key = torch.where(is_cell, key, -1 - index)
    return Cells(event, place, key, events, is_cell[:, None].to(torch.float32)), row


def _find_in_matrix(key: Tensor, wanted: Tensor) -> Tensor:
    """Return the row of each wanted key, or their number where it is not there."""
    same = wanted[:, None] == key
    return torch.where(same.any(1), same.to(torch.int32).argmax(1), key.shape[0])
