"""Sparse and dense convolutional networks of the same filters on the same cells.

    python benchmarks/sparse_convolution.py [--events 32] [--layers 48] [--side 32]
    python benchmarks/sparse_convolution.py --showers part-00000.parquet --events 8

Events of random occupied cells in a volume of `layers` × `side` × `side`, which lie around points
along a line as those of a shower do: the processor time of one thread for a training step, forward
and backward, and for inference, the smallest of five, and how many times as long the dense network
takes. Filters 8, 16 and 32 of 3 × 3 × 3 cells, with a pooling of 2 in all directions after each.

Showers are those of a file of `geant4_calorimeter` with cells of 5 mm, in the 16, 32, 64 and 128
rows and columns around the axis; all hits beyond are left out.
"""

from __future__ import annotations

import argparse
import math
import os
from collections.abc import Callable
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import pyarrow.parquet as pq
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


def read_showers(path: str, events: int, sides: tuple[int, ...]) -> Tensor:
    """Return the occupied cells of simulated showers, (cells, 4): event, layer, row, column."""
    names = ("hit_layer", "hit_y", "hit_x")
    table = pq.read_table(path, columns=list(names)).slice(0, events)
    columns = [table[name].combine_chunks() for name in names]
    event = torch.from_numpy(columns[0].value_parent_indices().to_numpy().copy())
    layer, y, x = (torch.from_numpy(one.flatten().to_numpy().copy()) for one in columns)
    place = torch.stack([layer, *((v / 5).floor() + sides[1] // 2 for v in (y, x))], 1)
    inside = ((place >= 0) & (place < torch.tensor(sides))).all(1)
    return torch.cat([event[:, None], place], 1)[inside].long()


def measure(cells: Tensor, events: int, sides: tuple[int, ...]) -> list[str]:
    """Return a row: occupancy, and for step and inference the times in ms and their ratio."""
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
    occupied = len(cells) / events
    row = [" × ".join(map(str, sides)), f"{100 * occupied / math.prod(sides):.2g} %"]
    row.append(f"{occupied:.0f}")
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
    parser.add_argument("--showers", help="file of showers, in place of random cells")
    given = parser.parse_args()
    torch.set_num_threads(1)
    table = Table(title="ms an event, one thread: dense, sparse, and their ratio")
    for name in (
        "volume",
        "occupied",
        "cells",
        "step, dense",
        "sparse",
        "ratio",
        "inference, dense",
    ):
        table.add_column(name)
    table.add_column("sparse")
    table.add_column("ratio")
    sides: tuple[int, ...] = (given.layers, given.side, given.side)
    if given.showers is None:
        for share in (0.002, 0.01, 0.02, 0.05, 0.2):
            cells = showers(given.events, sides, share)
            table.add_row(*measure(cells, given.events, sides))
    else:
        for side in (16, 32, 64, 128):
            sides = (98, side, side)
            cells = read_showers(given.showers, given.events, sides)
            table.add_row(*measure(cells, given.events, sides))
    Console(width=100).print(table)


if __name__ == "__main__":
    main()
