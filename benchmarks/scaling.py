"""Time and peak memory against rows, particles a jet, classes and workers: points of a scaling.

    python benchmarks/scaling.py POINTS.jsonl [--series read_table …] [--largest 1e6] [--rounds 1]
    python benchmarks/scaling_fit.py POINTS.jsonl --plots docs/images

Each point is measured in a process of its own, with one thread, and appended to the file as a line
of JSON: series, x, CPU seconds by step and the peak resident memory in MB, libraries included.
Points that the file holds already are skipped, so that an interrupted measurement goes on where it
was. CPU time, unlike that of the clock, hardly depends on the neighbours of a busy machine. Input
files are made in `--folder` by processes that are not measured, and deleted after their points.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from time import perf_counter, process_time
from typing import Any

import numpy as np
import yaml

Times = dict[str, float]
THREADS = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"], "1")
BATCH = 4096
MEMORY = 200_000_000
BLOCK = 250_000
COLUMNS = [f"x{i}" for i in range(8)]
#: Jets of a training step, and steps of which the fastest counts.
JETS, STEPS = 16, 4
#: Rows of the tables of classes, and events of the preparation by workers.
ROWS_OF_CLASSES, EVENTS_OF_WORKERS = 50_000, 200_000


@dataclass(frozen=True)
class Series:
    """What grows, and the work whose time and memory are measured.

    xs    values of what grows.
    make  writes the input of x into a folder.
    work  does it for x in a folder, and returns step → CPU seconds.
    """

    xs: tuple[int, ...]
    make: Callable[[int, Path], None]
    work: Callable[[int, Path], Times]


def write_table(rows: int, folder: Path, classes: int = 2) -> None:
    """Write rows of eight numbers, whose means depend on the class."""
    import pyarrow as pa
    import pyarrow.parquet as pq

    random = np.random.default_rng(1)
    means = random.normal(size=(classes, len(COLUMNS)))
    schema = pa.schema([(name, pa.float32()) for name in [*COLUMNS, "label"]])
    with pq.ParquetWriter(folder / "events.parquet", schema) as file:
        for start in range(0, rows, BLOCK):
            label = random.integers(classes, size=min(BLOCK, rows - start))
            values = means[label] + random.normal(size=(len(label), len(COLUMNS)))
            columns = [one.astype(np.float32) for one in (*values.T, label)]
            file.write_table(pa.table(list(map(pa.array, columns)), schema=schema))


def table_study(folder: Path, classes: int = 2) -> dict[str, Any]:
    """Return the study of such a table."""
    return {
        "name": "scaling",
        "source": {"name": "files", "files": str(folder / "events.parquet")},
        "targets": {"event": {"classes": {f"c{k}": f"label == {k}" for k in range(classes)}}},
        "representation": {"name": "table", "features": COLUMNS},
        "model": {"name": "dense_network", "widths": [64, 64]},
        "training": {"epochs": 2, "threads": 1},
        "storage": {"memory": MEMORY},
    }


def write_clouds(jets: int, folder: Path) -> None:
    """Write a ROOT file of jets of 20–80 particles."""
    from root_to_batches import write_jets

    write_jets(folder / "jets.root", jets)


def clouds_study(folder: Path) -> dict[str, Any]:
    """Return the study of such jets."""
    return {
        "name": "scaling",
        "source": {"name": "files", "files": str(folder / "jets.root")},
        "select": "jet_pt > 500 and jet_pt < 1000 and abs(jet_eta) < 2",
        "targets": {"jet": {"classes": {"qcd": "label_qcd == 1", "top": "label_top == 1"}}},
        "representation": {"name": "point_cloud", "group": "part", "jet": "jet"},
        "model": {"name": "particle_net"},
        "storage": {"memory": MEMORY},
    }


def read(study: Callable[[Path], dict[str, Any]], x: int, folder: Path) -> Times:
    """Return the time of making the event cache, and of one pass over the batches."""
    from bunchtrain.study import model_configs
    from bunchtrain.study.loading import validate
    from bunchtrain.training.data import Data
    from bunchtrain.workflow.preparation import event_cache, task

    os.environ["BUNCHTRAIN_CACHE"] = str(folder / "cache")
    checked = validate(study(folder) | {"training": {"batch_size": BATCH}})
    begin = process_time()
    cache = event_cache(checked)
    built = process_time()
    (model,) = model_configs(checked).values()
    data = Data(task(checked, model, cache.folder, folder))
    events = sum(map(len, data.batches("train", 0)))
    assert 0.3 * x < events < x, events
    return {"cache": built - begin, "epoch": process_time() - built}


def whole_run(folder: Path) -> Times:
    """Return the time of `bunchtrain run` on the study of a folder."""
    environment = os.environ | {"BUNCHTRAIN_CACHE": str(folder / "cache")}
    command = [sys.executable, "-m", "bunchtrain", "run", str(folder / "study.yaml")]
    done = subprocess.run(
        [*command, "--runs", str(folder / "runs")], env=environment, capture_output=True, text=True
    )
    if done.returncode:
        sys.exit(done.stdout[-2000:] + done.stderr[-2000:])
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return {"whole": used.ru_utime + used.ru_stime}


def write_trees(rows: int, folder: Path) -> None:
    """Write a table of 30 features and a study of 250 trees."""
    from boosted_trees_whole import write_study, write_table

    write_table(folder / "events.parquet", rows)
    write_study(folder / "study.yaml", folder / "events.parquet")


def write_classes(classes: int, folder: Path) -> None:
    """Write a table of many classes and a study of a dense network."""
    write_table(ROWS_OF_CLASSES, folder, classes)
    (folder / "study.yaml").write_text(yaml.safe_dump(table_study(folder, classes)))


def train(network: str, particles: int, _: Path) -> Times:
    """Return the time of a training step, per jet."""
    import torch
    from particle_net import FEATURES, jets, trainer
    from particle_transformer import with_momenta

    from bunchtrain.networks.particle_flow_network import ParticleFlowNetwork
    from bunchtrain.networks.particle_net_light import ParticleNetLight
    from bunchtrain.networks.particle_transformer import ParticleTransformer

    torch.set_num_threads(1)
    torch.manual_seed(1)
    inputs, padded = jets(JETS, particles, particles, particles)
    if network == "particle_flow_network":
        model, inputs = ParticleFlowNetwork(FEATURES, 2), (inputs[0], inputs[2])
    elif network == "particle_net_light":
        model = ParticleNetLight(FEATURES, 2, 2)
    else:
        model, inputs = ParticleTransformer(FEATURES, 4, 2), with_momenta(inputs, padded)[0]
    step, taken = trainer(model, inputs, torch.randint(2, (JETS,))), []
    for _ in range(STEPS):
        begin = process_time()
        step()
        taken.append(process_time() - begin)
    return {"step a jet": min(taken) / JETS}


def write_hits(_: int, folder: Path) -> None:
    """Write events of 100 hits."""
    from bounded_memory import blocks

    from bunchtrain.tables.writing import write_parquet

    write_parquet(folder / "hits.parquet", blocks(EVENTS_OF_WORKERS, 100))


def prepare(workers: int, folder: Path) -> Times:
    """Return the time on the longest path of a preparation by worker processes."""
    from side_by_side import Measured
    from side_by_side import prepare as by_workers

    executor, begin, clock = Measured(workers), process_time(), perf_counter()
    by_workers(folder, executor)
    longest = process_time() - begin + executor.longest
    return {"longest path": longest, "clock": perf_counter() - clock}


def nothing(_: int, __: Path) -> None:
    """Write no input: the work makes its own."""


POWERS = tuple(10**n for n in range(4, 9))
HALVES = tuple(k * one for one in POWERS for k in (1, 3))
NETWORKS = ("particle_flow_network", "particle_net_light", "particle_transformer")
SERIES = {
    "read_table": Series(POWERS, write_table, partial(read, table_study)),
    "read_clouds": Series(HALVES[:6], write_clouds, partial(read, clouds_study)),
    "boosted_trees": Series(HALVES[:7], write_trees, lambda _, folder: whole_run(folder)),
    "classes": Series((2, 5, 10, 20, 50, 100), write_classes, lambda _, f: whole_run(f)),
    "workers": Series((1, 2), write_hits, prepare),
} | {name: Series((8, 16, 32, 64, 128, 256), nothing, partial(train, name)) for name in NETWORKS}


def call(*arguments: object) -> dict[str, Any]:
    """Return what this program prints in a process of its own."""
    command = [sys.executable, __file__, *map(str, arguments)]
    done = subprocess.run(command, capture_output=True, text=True, env=os.environ | THREADS)
    if done.returncode:
        sys.exit(f"{arguments}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def step(action: str, name: str, x: int, folder: Path) -> None:
    """Make the input of a point, or measure it; print the result as JSON."""
    if action == "make":
        SERIES[name].make(x, folder)
        print("{}")
        return
    times = SERIES[name].work(x, folder)
    peaks = [resource.getrusage(who).ru_maxrss for who in (resource.RUSAGE_SELF, -1)]
    print(json.dumps({"cpu": times, "memory": max(peaks) / 1024}))


def measure(points: Path, given: argparse.Namespace) -> None:
    """Append the points that the file lacks."""
    held = [json.loads(line) for line in points.read_text().splitlines()] if points.exists() else []
    counts = Counter((one["series"], one["x"]) for one in held)
    for name in given.series:
        for x in (x for x in SERIES[name].xs if x <= given.largest):
            rounds = given.rounds if x < given.once_from else 1
            missing = rounds - counts[name, x]
            if missing <= 0:
                continue
            with tempfile.TemporaryDirectory(dir=given.folder) as folder:
                call(points, "--step", "make", name, x, folder)
                for _ in range(missing):
                    found = call(points, "--step", "measure", name, x, folder)
                    shutil.rmtree(Path(folder) / "cache", ignore_errors=True)
                    line = json.dumps({"series": name, "x": x, **found})
                    with points.open("a") as file:
                        file.write(line + "\n")
                    print(line, flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("points", type=Path)
    parser.add_argument("--series", nargs="+", choices=SERIES, default=list(SERIES))
    parser.add_argument("--largest", type=float, default=1e6, help="largest x")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--once-from", type=float, default=1e6, help="x of one round only")
    parser.add_argument("--folder", type=Path, help="where files are made")
    parser.add_argument("--step", nargs=4, help=argparse.SUPPRESS)
    given = parser.parse_args()
    if given.step:
        action, name, x, folder = given.step
        step(action, name, int(x), Path(folder))
        return
    measure(given.points, given)


if __name__ == "__main__":
    main()
