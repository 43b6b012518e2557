"""Combinations of the points of an event: the choices of points for the products of a particle.

A combination is one different point for each product; of products that may be exchanged, only the
one in rising order of the points counts. They are listed in rising order of their largest point, so
that the combinations of an event with n points are the first ones of any longer event.

The scores of a batch are packed: those of the first event, particle by particle, then those of the
second, …, without padding.
"""

from __future__ import annotations

from functools import lru_cache

import numpy as np
import torch
from torch import Tensor

from bunchtrain.errors import DataError
from bunchtrain.targets.assignment import Assignment

#: Ordered choices of points in an event beyond which they do not fit the memory.
LIMIT = 8_000_000
#: Sets of indices of the products of a particle that may be exchanged.
Sets = tuple[tuple[int, ...], ...]


@lru_cache(maxsize=64)
def combinations(points: int, sets: Sets) -> Tensor:
    """Return the combinations of an event with this number of points, (combinations, products).

    sets  of products that may be exchanged, each product in one of them.

    Raises DataError if there are too many.
    """
    products = sum(map(len, sets))
    if points**products > LIMIT:
        raise DataError(
            f"an event has {points} points, from which {products} products of a particle are "
            "chosen: too many combinations; lower 'max_points' of the representation"
        )
    grid = np.indices((points,) * products, dtype=np.int64)
    grid = grid.reshape(products, points**products).T
    ordered = np.sort(grid, axis=1)
    valid = (np.diff(ordered, axis=1) > 0).all(1)
    for one in sets:
        valid &= (np.diff(grid[:, list(one)], axis=1) > 0).all(1)
    found = grid[valid]
    return torch.from_numpy(found[np.argsort(found.max(1, initial=0), kind="stable")])


def count_combinations(lengths: Tensor, sets: Sets) -> Tensor:
    """Return the number of combinations of each event, (batch,)."""
    table = combinations(int(lengths.max()) if len(lengths) else 0, sets)
    largest = table.amax(1) if len(table) else table.new_zeros(0)
    return torch.searchsorted(largest, lengths.cpu()).to(lengths.device)


def combination_masks(lengths: Tensor, assignment: Assignment) -> list[Tensor]:
    """Return for each particle which of the combinations exist, (batch, combinations) bool."""
    masks = []
    for sets in assignment.product_sets:
        counts = count_combinations(lengths, sets)
        index = torch.arange(int(counts.max()) if len(counts) else 0, device=lengths.device)
        masks.append(index < counts[:, None])
    return masks


def pack(scores: list[Tensor], masks: list[Tensor]) -> Tensor:
    """Return the packed scores (rows, 1) from those of each particle (batch, combinations)."""
    return torch.cat(scores, 1)[torch.cat(masks, 1)][:, None]


def unpack(packed: Tensor, masks: list[Tensor]) -> list[Tensor]:
    """Return the scores of each particle, (batch, combinations), −∞ where there is none."""
    mask = torch.cat(masks, 1)
    table = packed.new_full(mask.shape, -torch.inf).masked_scatter(mask, packed[:, 0])
    return list(torch.split(table, [one.shape[1] for one in masks], 1))


def find_combinations(points: Tensor, most: int, sets: Sets) -> Tensor:
    """Return the index of the combination of these points of each event, −1 where one is missing.

    points  (batch, products), counted within the event, −1 if missing.
    most    number of points of the longest event.
    """
    ordered = points.clone()
    for one in sets:
        ordered[:, list(one)] = points[:, list(one)].sort(1).values
    table = combinations(most, sets).to(points.device)
    base = most ** torch.arange(points.shape[1], device=points.device)
    code = (table * base).sum(1)
    order = code.argsort()
    if not len(table):
        return torch.full_like(points[:, 0], -1)
    place = torch.searchsorted(code[order], (ordered.clamp(min=0) * base).sum(1))
    found = order[place.clamp(max=len(order) - 1)]
    return torch.where((points >= 0).all(1), found, -1)
