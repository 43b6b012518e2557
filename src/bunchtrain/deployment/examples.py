"""Random tensors of the shapes that a network needs, for tracing it without events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bunchtrain.batch import axis_of, starts
from bunchtrain.representations._representation import Size


def example_inputs(
    sizes: Mapping[str, Size],
    needs: Sequence[str],
    lengths: Sequence[int] = (3, 0, 5, 2),
    step: float | None = None,
) -> dict[str, Tensor]:
    """Return random tensors of `len(lengths)` events, with a fixed seed.

    sizes    tensor → size of one row, as `Representation.sizes`.
    needs    names of the tensors.
    lengths  points of each event, or leaves of each tree.
    step     coordinates are multiples of it, so that points are at equal distances.

    Momenta (E, px, py, pz) are those of particles of mass 0.14 GeV.
    """
    random = torch.Generator().manual_seed(1)
    counts = torch.tensor(lengths)
    tensors: dict[str, Tensor] = {}
    if "children" in needs:
        tensors["children"], tensors["levels"] = _trees(lengths)
        counts = (2 * counts - 1).clamp(min=0)
    tensors["lengths"] = counts
    rows = {"event": len(counts), "point": int(counts.sum())}
    if "edges" in needs:
        tensors["edges"] = _edges(counts)
        rows["edge"] = tensors["edges"].shape[1]
    if "words" in needs:
        tensors["words"] = torch.arange(rows["point"]) % 2
    for name in needs:
        if name not in tensors:
            size = sizes[name]
            row = (size,) if isinstance(size, int) else tuple(size)
            tensors[name] = torch.randn((rows[axis_of(name)], *row), generator=random)
    if "coordinates" in tensors and step is not None:
        tensors["coordinates"] = (tensors["coordinates"] / step).round() * step
    if "momenta" in tensors:
        momentum = 10 * tensors["momenta"][:, 1:4]
        energy = (momentum.square().sum(1, keepdim=True) + 0.14**2).sqrt()
        tensors["momenta"] = torch.cat([energy, momentum], 1)
    return {name: tensors[name] for name in needs}


def _trees(leaves: Sequence[int]) -> tuple[Tensor, Tensor]:
    """Return children (nodes, 2) and levels (nodes,) of trees that merge leaves one by one."""
    children, levels = [], []
    for count in leaves:
        merged = [[count + k - 1 if k else 0, k + 1] for k in range(count - 1)]
        children += [[-1, -1]] * count + merged
        falling = list(range(count - 1, 0, -1))
        levels += falling[:1] + falling + [level - 1 for level in falling] or [0] * count
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
