"""Made-up tensors of the sizes that a network takes, to trace it before there are events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bunchtrain.batch import POINTWISE, starts
from bunchtrain.representations._representation import Size


def example_inputs(
    sizes: Mapping[str, Size], needs: Sequence[str], lengths: Sequence[int] = (3, 0, 5, 2)
) -> dict[str, Tensor]:
    """Return tensors of as many events as there are lengths, drawn with a fixed seed.

    sizes    tensor → size of one row, as `Representation.sizes`.
    needs    names of the tensors to make.
    lengths  points of each event; a tree has as many leaves.

    Momenta (E, px, py, pz) are those of particles of mass 0.14 GeV.
    """
    random = torch.Generator().manual_seed(1)
    counts = torch.tensor(lengths)
    made: dict[str, Tensor] = {}
    if "children" in needs:
        made["children"], made["levels"] = _trees(lengths)
        counts = (2 * counts - 1).clamp(min=0)
    made["lengths"] = counts
    for name in needs:
        if name not in ("edges", *made):
            size = sizes[name]
            row = (size,) if isinstance(size, int) else tuple(size)
            rows = int(counts.sum()) if name in POINTWISE else len(counts)
            made[name] = torch.randn((rows, *row), generator=random)
    if "momenta" in made:
        space = 10 * made["momenta"][:, 1:4]
        energy = (space.square().sum(1, keepdim=True) + 0.14**2).sqrt()
        made["momenta"] = torch.cat([energy, space], 1)
    if "edges" in needs:
        made["edges"] = _edges(counts)
    return {name: made[name] for name in needs}


def _trees(leaves: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return children (nodes, 2) and levels (nodes,) of trees to which one leaf a time is added."""
    children, levels = [], []
    for number in leaves:
        joined = [[number + k - 1 if k else 0, k + 1] for k in range(number - 1)]
        children += [[-1, -1]] * number + joined
        falling = list(range(number - 1, 0, -1))
        levels += falling[:1] + falling + [level - 1 for level in falling] or [0] * number
    pairs = torch.tensor(children, dtype=torch.int32).reshape(-1, 2)
    return pairs, torch.tensor(levels, dtype=torch.int32)


def _edges(lengths: Tensor) -> Tensor:
    """Return all pairs of different points of an event, (2, edges)."""
    pairs = [
        torch.combinations(torch.arange(first, first + count)).T
        for first, count in zip(starts(lengths).tolist(), lengths.tolist(), strict=True)
    ]
    upper = torch.cat(pairs, 1)
    return torch.cat([upper, upper.flip(0)], 1)
