"""Graphs of hits in a full detector: the module map beside a radius graph with the same cuts.

    python benchmarks/graph_building.py [--hits 20000] [--train 40] [--run FOLDER]

Events of top quark pairs by `acts_events`. The map is fitted to `train` events at pile-up 20 and
applied to an event at pile-up 50. The radius graph is
scikit-learn's, of the hits in (φ, θ) or in (x, y, z), with the smallest radius that has 99 % of the
pairs of consecutive hits of particles above 1 GeV, and of its pairs those that the module map
allows by their modules, without its ranges. Then the whole graph tracking on events at pile-up 20,
one by one, from the columns to the tracks, if `--run` names the folder of a run of the study
`graph_tracking`; beside it ACTS' seeds, combinatorial Kalman filter and ambiguity resolution, the
difference of a chain that does these twice and of one that does them once. Processor time of one
thread, the smallest of three for graphs.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from importlib.util import find_spec
from itertools import islice
from pathlib import Path
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

os.environ.setdefault("OMP_NUM_THREADS", "1")

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from sklearn.neighbors import NearestNeighbors

import bunchtrain
from bunchtrain import parts
from bunchtrain.physics.doublets import Hits, ModuleRanges, find_doublets, find_edges
from bunchtrain.physics.module_ranges import TruePairs, fit_ranges
from bunchtrain.tables.expressions.expression import define
from bunchtrain.tables.transforms.conditions import WithConditions
from bunchtrain.workflow.predict import columns_needed, predict_columns, used_columns
from bunchtrain.workflow.preparation import open_conditions

Ints = NDArray[np.int64]
OVERLAP, LIMIT, SHARE, EVENTS = 20.0, 3_000_000, 0.99, 15
COLUMNS = [
    *(f"hit_{n}" for n in ("x", "y", "z", "volume", "layer", "surface", "particle", "true_time")),
    *("particle_px", "particle_py"),
]


def seconds(work: Callable[[], Any], repeats: int = 3) -> tuple[float, Any]:
    """Return the smallest processor time and the result."""
    times = []
    for _ in range(repeats):
        start = process_time()
        found = work()
        times.append(process_time() - start)
    return min(times), found


def sample(pile_up: float, events: int, seed: int) -> tuple[ak.Array, Any]:
    """Return events of the study `graph_tracking`, and the modules."""
    options = {"events": events, "pile_up": pile_up, "seed": seed, "part": 10 + 10 * (seed < 13)}
    if seed > 10:
        options["wide_seeds"] = True
    made: Any = parts.build("source", "acts_events", options)
    made.prepare()
    return ak.concatenate(list(made.blocks(COLUMNS, events))), made.conditions["geometry"]


def rings(modules: Any) -> tuple[Ints, Ints]:
    """Return the surfaces, sorted, and the ring of each: modules around the beam that are alike."""
    block = next(iter(modules.blocks(["surface", "volume", "layer", "x", "y", "z"], 10**6)))
    get = {name: ak.to_numpy(block[name]) for name in block.fields}
    in_barrel = np.isin(get["volume"], (8, 13, 17))
    r = np.hypot(get["x"], get["y"])
    place = np.where(in_barrel, np.round(get["z"] / 5) + 500, np.round(r / 4))
    ring = (100_000 * get["volume"] + 1000 * get["layer"] + place).astype(np.int64)
    order = np.argsort(get["surface"])
    return get["surface"][order], np.unique(ring, return_inverse=True)[1][order]


class Event:
    """Hits of an event with their particles, and pT of these."""

    def __init__(self, row: Any, surfaces: Ints, ring: Ints) -> None:
        get = {name: np.asarray(row[name], np.float64) for name in COLUMNS}
        module = ring[np.searchsorted(surfaces, get["hit_surface"].astype(np.int64))]
        self.hits = Hits(np.stack([get[f"hit_{a}"] for a in "xyz"], 1), module)
        self.particle, self.time = get["hit_particle"].astype(np.int64), get["hit_true_time"]
        self.pt = np.hypot(get["particle_px"], get["particle_py"])[self.particle]


def fit(events: list[Event], modules: int) -> ModuleRanges:
    pairs = TruePairs(OVERLAP)
    for one in events:
        pairs.add(one.hits, np.where(one.pt > 0.25, one.particle, -1), one.time)
    found, ranges = fit_ranges(pairs, modules, tail=0.0002, margin=3.0, least=2)
    return ModuleRanges(found[:, 0], found[:, 1], ranges, modules)


def consecutive(event: Event) -> Ints:
    """Return the pairs of consecutive hits of particles above 1 GeV, the inner one first."""
    order = np.lexsort((event.time, event.particle))
    a, b = order[:-1], order[1:]
    same = (event.particle[a] == event.particle[b]) & (event.pt[a] > 1)
    a, b = a[same], b[same]
    inside = event.hits.distance[a] < event.hits.distance[b]
    return np.stack([np.where(inside, a, b), np.where(inside, b, a)])


def radius_graph(hits: Hits, places: NDArray[Any], radius: float, known: ModuleRanges) -> Ints:
    """Return the pairs within a radius whose modules are a pair of the map, (2, pairs)."""
    near = NearestNeighbors(radius=radius, algorithm="kd_tree").fit(places)
    graph = near.radius_neighbors_graph(mode="connectivity").tocoo()
    first, second = graph.row, graph.col
    kept = hits.distance[first] < hits.distance[second]
    first, second = first[kept], second[kept]
    allowed = np.zeros(known.modules**2, bool)
    allowed[known.first * known.modules + known.second] = True
    kept = allowed[hits.module[first] * known.modules + hits.module[second]]
    return np.stack([first[kept], second[kept]])


def share(edges: Ints, wanted: Ints, hits: int) -> float:
    return float(np.isin(wanted[0] * hits + wanted[1], edges[0] * hits + edges[1]).mean())


def kalman_filter(events: int) -> float:
    """Return the time of track finding an event at pile-up 20."""
    from bunchtrain.simulation.acts.collisions import Collisions
    from bunchtrain.simulation.acts.reconstruction import Chain
    from bunchtrain.simulation.acts.tables import write_particles

    options = {"pile_up": 20.0, "part": events, "seed": 12, "pool": 100}
    recipe = parts.build("source", "acts_events", options).recipe
    same = {"wide_pt_min": recipe["track_pt_min"], "wide_impact_max": recipe["seed_impact_max"]}
    particles, _ = Collisions(recipe).part(0)
    times = []
    for more in ({}, {"wide_seeds": True, **same}):
        with TemporaryDirectory() as name:
            folder = Path(name)
            chain = Chain({**recipe, **more}, folder)
            write_particles(particles, events, folder)

            def work(chain: Any = chain, folder: Path = folder) -> Any:
                return chain.run(folder, events, 12)

            times.append(seconds(work, 2)[0])
    return (times[1] - times[0]) / events


def graph_tracking(folder: Path, events: int) -> tuple[float, float]:
    """Return the times an event of the whole graph tracking and of the graph alone, in seconds."""
    run = bunchtrain.open_run(folder)
    study, (model,) = run.study, run.models.values()
    source = study.stages["busy"].source
    table = parts.build("source", source.name, source.options)
    table = WithConditions(table, open_conditions(study, table))
    needed, total, graph = columns_needed(study, table, run.models, selection=False), 0.0, 0.0
    names = used_columns(study, run.models, selection=False)
    for number, block in enumerate(islice(table.blocks(needed, 1), events + 1)):
        start = process_time()
        defined = define(block, study.define, names)
        predict_columns(study, run.models, defined)
        middle = process_time()
        model.representation(defined[model.columns])
        if number:  # the first loads libraries
            total, graph = total + middle - start, graph + process_time() - middle
    return total / events, graph / events


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--hits", type=int, default=20_000)
    parser.add_argument("--train", type=int, default=40)
    parser.add_argument("--run", type=Path)
    given = parser.parse_args()
    if find_spec("acts") is None:
        print("not measured: pip install 'bunchtrain[acts]'")
        return 0
    training, modules = sample(20, given.train, 2)
    surfaces, ring = rings(modules)
    known = fit([Event(row, surfaces, ring) for row in training], int(ring.max()) + 1)
    busy, _ = sample(50, 20, 13)
    number = ak.to_numpy(ak.num(busy.hit_x))
    event = Event(busy[int(np.argmin(np.abs(number - given.hits)))], surfaces, ring)
    hits, wanted = event.hits, consecutive(event)
    table = Table(f"{len(hits):,} hits", "pairs", "true pairs, pT > 1 GeV", "ms", "ratio")
    ours, (edges, _) = seconds(lambda: find_edges(hits, known, OVERLAP, LIMIT))
    pairs, doublets = seconds(lambda: find_doublets(hits, known))
    row = f"{edges.shape[1]:,}", f"{share(edges, wanted, len(hits)):.4f}"
    table.add_row("module map, pairs with continuations", *row, f"{1e3 * ours:.0f}", "1")
    row = f"{len(doublets[0]):,}", f"{share(np.stack(doublets[:2]), wanted, len(hits)):.4f}"
    table.add_row("module map, pairs alone", *row, f"{1e3 * pairs:.0f}", f"{pairs / ours:.1f}")
    theta = np.arctan2(hits.r, hits.z)
    for name, places in (
        ("radius graph in (φ, θ)", np.stack([hits.phi, theta], 1)),
        ("radius graph in (x, y, z)", np.stack([hits.x, hits.y, hits.z], 1)),
    ):
        apart = np.linalg.norm(places[wanted[0]] - places[wanted[1]], axis=1)
        radius = float(np.quantile(apart, SHARE))

        def build(places: NDArray[Any] = places, radius: float = radius) -> Ints:
            return radius_graph(hits, places, radius, known)

        theirs, edges = seconds(build, 1)
        row = f"{edges.shape[1]:,}", f"{share(edges, wanted, len(hits)):.4f}"
        table.add_row(f"{name}, {radius:.3g}", *row, f"{1e3 * theirs:.0f}", f"{theirs / ours:.1f}")
    console = Console(width=110)
    console.print(table)
    if given.run:
        whole, graph = graph_tracking(given.run, EVENTS)
        kalman = kalman_filter(EVENTS)
        console.print(
            f"pile-up 20, ms an event: graph tracking {1e3 * whole:.0f}, of it the graph "
            f"{1e3 * graph:.0f}; Kalman filter {1e3 * kalman:.0f}; ratio {whole / kalman:.2f}"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
