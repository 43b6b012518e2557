"""Hits of a calorimeter: neighbours, layers of EdgeConv, GravNet and GarNet, and clustering.

    python benchmarks/hit_clustering.py [--hits 10000] [--events 4] [--size 2000] [--k 40]

Neighbours of one event of `hits` points in four dimensions: our search beside `torch.cdist` with
`topk`, and a GravNet layer with one or the other. Then a training step of four layers of each kind
on `events` events of `size` hits, each kind in a process of its own: the processor time of one
thread, the smallest of three, and the memory beyond that of the process before the step, as Linux
counts it. "plain" are the published equations in plain torch: EdgeConv with three layers of 64
along the edges (arXiv:1801.07829), GravNet with 22 features and four dimensions (arXiv:1902.07987).
First, objects of 200 points each in two dimensions, one event, found by the transform
`condensation` and by scikit-learn's DBSCAN.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.cluster import DBSCAN
from torch import Tensor, nn

from bunchtrain.networks.gar_net import GarNetLayer
from bunchtrain.networks.grav_net import GravNetLayer
from bunchtrain.networks.layers.dense import perceptron
from bunchtrain.networks.layers.edge_convolution import EdgeConvolution
from bunchtrain.networks.layers.edges import nearest_neighbours
from bunchtrain.networks.layers.neighbour_table import nearest_points
from bunchtrain.transforms.condensation import condense

WIDTH, DIMENSIONS, PROPAGATE, LAYERS = 64, 4, 22, 4


def all_distances(space: Tensor, lengths: Tensor, k: int) -> Tensor:
    """Return the indices of the k nearest other points, (points, k), by `cdist` and `topk`."""
    found, first = [], 0
    for points in torch.split(space, lengths.tolist()):
        distance = torch.cdist(points, points)
        found.append(distance.topk(k + 1, largest=False)[1][:, 1:] + first)
        first += len(points)
    return torch.cat(found)


class PlainEdgeConv(nn.Module):
    """Mean over k neighbours of h(x_i, x_j − x_i), all edges at once."""

    def __init__(self, k: int) -> None:
        super().__init__()
        self.h, self.k = perceptron(2 * WIDTH, (WIDTH, WIDTH), WIDTH), k

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        with torch.no_grad():
            near = all_distances(x, lengths, self.k)
        own = x[:, None].expand(-1, self.k, -1)
        return torch.relu(self.h(torch.cat([own, x[near] - own], 2)).mean(1))


class PlainGravNet(GravNetLayer):
    """The equations of GravNet, all pairs at once."""

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:
        space, features = self.space(x), self.features(x)
        with torch.no_grad():
            near = all_distances(space, lengths, self.k)
        weight = torch.exp(-(space[:, None] - space[near]).square().sum(2))
        sent = weight[:, :, None] * features[near]
        gathered = torch.cat([x, sent.mean(1), sent.amax(1)], 1)
        return torch.tanh(self.output(gathered))


class OwnEdgeConv(EdgeConvolution):
    """The edge convolution of `particle_net`, whose layers run in chunks."""

    def __init__(self, k: int) -> None:
        super().__init__(WIDTH, (WIDTH, WIDTH, WIDTH))
        self.k = k

    def forward(self, x: Tensor, lengths: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x, nearest_neighbours(x, lengths, self.k))


def make(kind: str, k: int, hits: int) -> nn.Module:
    grav = (WIDTH, DIMENSIONS, PROPAGATE, WIDTH, k)
    made: dict[str, Callable[[], nn.Module]] = {
        "EdgeConv, plain": lambda: PlainEdgeConv(k),
        "EdgeConv": lambda: OwnEdgeConv(k),
        "GravNet, plain": lambda: PlainGravNet(*grav),
        "GravNet": lambda: GravNetLayer(*grav),
        "GarNet": lambda: GarNetLayer(WIDTH, 4, 20, WIDTH, hits),
    }
    return made[kind]()


KINDS = ("EdgeConv, plain", "EdgeConv", "GravNet, plain", "GravNet", "GarNet")


def memory(field: str) -> float:
    """Return `VmRSS`, the memory of this process, or `VmHWM`, the largest so far, in MB."""
    lines = Path("/proc/self/status").read_text(encoding="utf-8").splitlines()
    return next(float(line.split()[1]) / 1024 for line in lines if line.startswith(field))


def seconds(work: Callable[[], object], repeats: int = 3) -> float:
    found = []
    for _ in range(repeats):
        start = process_time()
        work()
        found.append(process_time() - start)
    return min(found)


def measure(kind: str, events: int, size: int, k: int) -> None:
    """Print time and memory of a training step of four layers of a kind, in this process."""
    torch.manual_seed(1)
    layers = nn.ModuleList(make(kind, k, size) for _ in range(LAYERS)).train()
    few = torch.tensor([2 * k])

    def step(x: Tensor, lengths: Tensor) -> None:
        for layer in layers:
            x = layer(x, lengths)
        x.square().mean().backward()

    step(torch.randn(2 * k, WIDTH), few)  # libraries are loaded
    x, lengths = torch.randn(events * size, WIDTH), torch.full((events,), size)
    Path("/proc/self/clear_refs").write_text("5", encoding="utf-8")  # VmHWM becomes VmRSS
    before = memory("VmRSS")
    step(x, lengths)
    used = memory("VmHWM") - before
    print(json.dumps({"seconds": seconds(lambda: step(x, lengths)), "megabytes": used}))


def search(hits: int, k: int) -> Table:
    """Return the times of neighbours and of one layer on one event."""
    torch.manual_seed(1)
    space, lengths = torch.randn(hits, DIMENSIONS), torch.tensor([hits])
    x = torch.randn(hits, WIDTH)
    layers = [kind(WIDTH, DIMENSIONS, PROPAGATE, WIDTH, k) for kind in (PlainGravNet, GravNetLayer)]
    layers[1].load_state_dict(layers[0].state_dict())
    # `cdist` loses digits of small distances, so that a few points have another neighbour there.
    apart = (layers[0](x, lengths) - layers[1](x, lengths)).abs().amax(1)
    assert (apart < 1e-4).double().mean() > 0.999
    table = Table("one event", "cdist + topk [ms]", "ours [ms]", "ratio")
    times = [
        seconds(lambda: all_distances(space, lengths, k)),
        seconds(lambda: nearest_points(space, lengths, k)),
    ]
    rows = {"neighbours": times}
    for name, run in (("layer, inference", False), ("layer, training step", True)):

        def work(layer: nn.Module, run: bool = run) -> None:
            with torch.set_grad_enabled(run):
                found = layer(x, lengths)
            if run:
                found.square().mean().backward()

        rows[name] = [seconds(lambda layer=layer: work(layer)) for layer in layers]
    for name, (theirs, own) in rows.items():
        table.add_row(name, f"{1e3 * theirs:.0f}", f"{1e3 * own:.0f}", f"{theirs / own:.1f}")
    return table


def clustering() -> Table:
    """Return the times of condensation and of DBSCAN, and the objects that both find."""
    table = Table("points", "DBSCAN [ms]", "condensation [ms]", "ratio", "objects")
    random = np.random.default_rng(1)
    for points in (2000, 10_000, 40_000):
        objects = points // 200
        side = int(np.ceil(np.sqrt(objects)))
        own = np.repeat(np.arange(objects), 200)
        centre = 2.0 * np.stack([own % side, own // side], 1)
        places = centre + random.normal(0, 0.15, (points, 2))
        beta, event = random.uniform(0, 0.3, points), np.zeros(points, np.int64)
        beta[::200], places[::200] = 0.9, centre[::200]  # as after a training

        def ours() -> NDArray[np.int64]:
            return condense(beta, places, event, 0.5, 0.8)  # noqa: B023 - called here alone

        def theirs() -> NDArray[np.int64]:
            return DBSCAN(eps=0.3, min_samples=5).fit_predict(places)  # noqa: B023

        found = [len(np.unique(work()[work() >= 0])) for work in (theirs, ours)]
        times = [seconds(theirs), seconds(ours)]
        table.add_row(
            f"{points:,}", *(f"{1e3 * one:.1f}" for one in times), f"{times[0] / times[1]:.1f}",
            " and ".join(map(str, found)),
        )  # fmt: skip
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    for name, value in (("hits", 10_000), ("events", 4), ("size", 2000), ("k", 40)):
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--measure", choices=KINDS)
    given = parser.parse_args()
    if given.measure:
        measure(given.measure, given.events, given.size, given.k)
        return
    console = Console(width=100)
    console.print(clustering())
    console.print(search(given.hits, given.k))
    table = Table("four layers, training step", "ms an event", "memory [MB]")
    for kind in KINDS:
        command = [sys.executable, __file__, "--measure", kind, "--events", str(given.events),
                   "--size", str(given.size), "--k", str(given.k)]  # fmt: skip
        found = json.loads(subprocess.run(command, check=True, capture_output=True).stdout)
        per_event = 1e3 * found["seconds"] / given.events
        table.add_row(kind, f"{per_event:.1f}", f"{found['megabytes']:.0f}")
    console.print(table)


if __name__ == "__main__":
    main()
