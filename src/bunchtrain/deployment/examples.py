"""Made-up tensors of the sizes that a network takes, to trace it before there are events."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor

from bunchtrain.batch import starts
from bunchtrain.represent._representation import Size


def example_inputs(
    sizes: Mapping[str, Size], needs: Sequence[str], lengths: Sequence[int] = (3, 0, 5, 2)
) -> dict[str, Tensor]:
    """Return tensors of as many events as there are lengths, drawn with a fixed seed.

    sizes    tensor → size of one row, as `Representation.sizes`.
    needs    names of the tensors to make.
    lengths  points of each event.

    Momenta (E, px, py, pz) are those of particles of mass 0.14 GeV.
    """
    random = torch.Generator().manual_seed(1)
    counts = torch.tensor(lengths)
    made: dict[str, Tensor] = {"lengths": counts}
    for name in needs:
        if name not in ("lengths", "edges"):
            size = sizes[name]
            row = (size,) if isinstance(size, int) else tuple(size)
            rows = int(counts.sum()) if name in _POINTS else len(counts)
            made[name] = torch.randn((rows, *row), generator=random)
    if "momenta" in made:
        space = 10 * made["momenta"][:, 1:4]
        energy = (space.square().sum(1, keepdim=True) + 0.14**2).sqrt()
        made["momenta"] = torch.cat([energy, space], 1)
    if "edges" in needs:
        made["edges"] = _edges(counts)
    return {name: made[name] for name in needs}


_POINTS = ("features", "coordinates", "momenta")


def _edges(lengths: Tensor) -> Tensor:
    """Return all pairs of different points of an event, (2, edges)."""
    pairs = [
        torch.combinations(torch.arange(first, first + count)).T
        for first, count in zip(starts(lengths).tolist(), lengths.tolist(), strict=True)
    ]
    upper = torch.cat(pairs, 1)
    return torch.cat([upper, upper.flip(0)], 1)
