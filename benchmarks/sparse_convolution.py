"""Sparse and dense convolutional networks of the same filters on the same cells.

    python benchmarks/sparse_convolution.py [--events 32] [--layers 48] [--side 32]

Events of random occupied cells in a volume of `layers` × `side` × `side`, which lie around points
along a line as those of a shower do: the processor time of one thread for a training step, forward
and backward, and for inference, the smallest of five, and how many times as long the dense network
takes. Filters 8, 16 and 32 of 3 × 3 × 3 cells, with a pooling of 2 in all directions after each.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import torch
from rich.console import Console
from rich.table import Table
from torch import Tensor

from bunchtrain.networks.sparse_cnn import SparseCNN
from bunchtrain.networks.volume_cnn import VolumeCNN

FILTERS = ((8,), (16,), (32,))


def showers(events: int, sides: tuple[int, ...], share: float) -> Tensor:
    """Return the occupied cells of events, (cells, 4): event, layer, row, column.

    share  of the cells of the volume.
    """
    random = torch.Generator().manual_seed(1)
    size = torch.tensor(sides, dtype=torch.float32)
    wanted = int(share * size.prod())
    spread, found = torch.tensor([0.3, 0.1, 0.1]), []
    for event in range(events):
        place = torch.zeros(0, 3, dtype=torch.long)
        while len(place) < wanted:
            drawn = torch.randn(4 * wanted, 3, generator=random) * size * spread
            inside = (drawn + size / 2).floor().clamp(torch.zeros(3), size - 1).long()
            place = torch.unique(torch.cat([place, inside]), dim=0)
        place = place[torch.randperm(len(place), generator=random)[:wanted]]
        found.append(torch.cat([torch.full((wanted, 1), event), place], 1))
    return torch.cat(found)


def seconds(work: Callable[[], object], repeats: int = 5) -> float:
    """Return the smallest processor time."""
    times = []
    for _ in range(repeats):
        start = process_time()
        work()
        times.append(process_time() - start)
    return min(times)


def measure(events: int, sides: tuple[int, ...], share: float) -> list[str]:
    """Return a row: occupancy, and for step and inference the times in ms and their ratio."""
    cells = showers(events, sides, share)
    values = torch.rand(len(cells), 1, generator=torch.Generator().manual_seed(2))
    lengths = torch.bincount(cells[:, 0], minlength=events)
    volume = torch.zeros(events, 1, *sides)
    volume[cells[:, 0], 0, cells[:, 1], cells[:, 2], cells[:, 3]] = values[:, 0]
    dense = VolumeCNN((1, *sides), 4, filters=FILTERS)  # type: ignore[arg-type]
    sparse = SparseCNN(1, 3, 4, filters=FILTERS)
    coordinates = cells[:, 1:].float()
    calls: tuple[Callable[[], Tensor], Callable[[], Tensor]] = (
        lambda: dense(volume),
        lambda: sparse(values, coordinates, lengths),
    )
    row = [f"{100 * share:g} %", str(int(lengths[0]))]
    steps = [seconds(lambda call=call: call().sum().backward()) for call in calls]  # type: ignore[misc]
    with torch.no_grad():
        inference = [seconds(call) for call in calls]
    for times in (steps, inference):
        row += [f"{1000 * t / events:.2f}" for t in times] + [f"{times[0] / times[1]:.1f}"]
    return row


def main() -> None:
    """Print the table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--events", type=int, default=32)
    parser.add_argument("--layers", type=int, default=48)
    parser.add_argument("--side", type=int, default=32)
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title="ms an event, one thread: dense, sparse, and their ratio")
    for name in ("occupied", "cells", "step, dense", "sparse", "ratio", "inference, dense"):
        table.add_column(name)
    table.add_column("sparse")
    table.add_column("ratio")
    for share in (0.002, 0.01, 0.02, 0.05, 0.2):
        sides = (given.layers, given.side, given.side)
        table.add_row(*measure(given.events, sides, share))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
