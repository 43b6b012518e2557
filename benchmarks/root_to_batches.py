"""ROOT file → batches in one process: jets per second and peak memory, beside weaver-core's loader.

    pip install --no-deps weaver-core==0.5.3 numba llvmlite   # or --target FOLDER, then --weaver
    python benchmarks/root_to_batches.py

Both read the same file of jets with 20–80 constituents, select, reweight the (pT, η) spectrum of
one class to the other's and make the seven features, coordinates and momenta of ParticleNet; ours
computes Δη and Δφ, weaver-core finds them in the file, as JetClass has them. Ours reads the file
once and then its cache, streamed with a bound of 200 MB on the events or held in memory;
weaver-core reads the file in every epoch, in steps of a fraction of it (0.01 is its default, one
epoch is run; 0.2 suits small files), or holds it. The first epoch includes all preparation, but
neither imports nor the compilation of weaver-core's functions: each side has read a file of
5,000 jets before. Every figure comes from a process of its own; with `--rounds`, the sides
alternate, and median and range of the ratios are given.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from itertools import islice
from pathlib import Path
from statistics import median

import awkward as ak
import numpy as np

BATCH = 512
MEMORY = 200_000_000
HELD = 2_000_000_000
FEATURES = [
    *("part_deta", "part_dphi", "part_pt_log", "part_e_log"),
    *("part_logptrel", "part_logerel", "part_dr"),
]
PT_EDGES = [500.0, 525.0, 550.0, 600.0, 700.0, 1000.0]
ETA_EDGES = [-2.0, -1.0, 0.0, 1.0, 2.0]
WEAVER = {
    "treename": "jets",
    "selection": "(jet_pt > 500) & (jet_pt < 1000) & (np.abs(jet_eta) < 2)",
    "new_variables": {
        "part_mask": "ak.ones_like(part_energy)",
        "part_pt": "np.hypot(part_px, part_py)",
        "part_pt_log": "np.log(part_pt)",
        "part_e_log": "np.log(part_energy)",
        "part_logptrel": "np.log(part_pt / jet_pt)",
        "part_logerel": "np.log(part_energy / jet_energy)",
        "part_dr": "np.hypot(part_deta, part_dphi)",
    },
    "preprocess": {"method": "manual", "data_fraction": 0.1, "params": None},
    "inputs": {
        "points": {"length": 128, "vars": [["part_deta", None], ["part_dphi", None]]},
        "features": {"length": 128, "vars": [[name, None] for name in FEATURES]},
        "vectors": {
            "length": 128,
            "vars": [[f"part_{name}", None] for name in ("px", "py", "pz", "energy")],
        },
        "mask": {"length": 128, "vars": [["part_mask", None]]},
    },
    "labels": {"type": "simple", "value": ["label_qcd", "label_top"]},
    "weights": {
        "use_precomputed_weights": False,
        "reweight_method": "ref",
        "reweight_vars": {"jet_pt": PT_EDGES, "jet_eta": ETA_EDGES},
        "reweight_classes": ["label_qcd", "label_top"],
    },
}


Lap = tuple[float, float]


class Clock:
    """Measures laps by the wall and in CPU time, which a busy machine leaves alone."""

    def __init__(self) -> None:
        self.last = time.perf_counter(), time.process_time()

    def lap(self) -> Lap:
        """Return the seconds since the last lap."""
        before, self.last = self.last, (time.perf_counter(), time.process_time())
        return self.last[0] - before[0], self.last[1] - before[1]


def write_jets(path: Path, jets: int) -> None:
    """Write a ROOT file of jets, block by block."""
    import uproot

    random = np.random.default_rng(1)
    with uproot.recreate(path) as file:
        for start in range(0, jets, 20_000):
            block = jets_block(random, min(20_000, jets - start))
            if start:
                file["jets"].extend(block)
            else:
                file.mktree("jets", block)


def jets_block(random: np.random.Generator, count: int) -> dict[str, ak.Array]:
    """Return jets of two classes; the energies of their constituents fall exponentially."""
    top = random.random(count) < 0.5
    axis_eta, axis_phi = random.normal(0, np.where(top, 0.8, 1.0)), random.uniform(-3, 3, count)
    lengths = random.integers(20, 81, count)
    deta, dphi = random.normal(0, 0.2, (2, lengths.sum()))
    pt = random.exponential(1.0, lengths.sum())
    wanted = 500 + random.exponential(np.where(top, 120.0, 90.0))
    pt *= np.repeat(wanted / np.add.reduceat(pt, lengths.cumsum() - lengths), lengths)
    eta, phi = np.repeat(axis_eta, lengths) + deta, np.repeat(axis_phi, lengths) + dphi
    part = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}
    part |= {"energy": pt * np.cosh(eta), "deta": deta, "dphi": dphi}
    lists = {name: ak.unflatten(value.astype(np.float32), lengths) for name, value in part.items()}
    jet = {"pt": wanted, "eta": axis_eta, "phi": axis_phi, "energy": wanted * np.cosh(axis_eta)}
    flat = {f"jet_{name}": value.astype(np.float32) for name, value in jet.items()}
    labels = {"label_qcd": (~top).astype(np.int32), "label_top": top.astype(np.int32)}
    return {"part": ak.zip(lists), **flat, **labels}


def ours(path: Path, folder: Path, memory: int) -> Iterator[tuple[int, Lap]]:
    """Yield jets and seconds of three epochs; the first one makes the cache."""
    from bunchtrain import parts
    from bunchtrain.methods.task import Task
    from bunchtrain.tables.cache.event_cache import EventCache
    from bunchtrain.tables.cache.recipe import Recipe
    from bunchtrain.targets import Target
    from bunchtrain.training.data import Data

    options = {"group": "part", "jet": "jet", "max_points": 128}
    clock = Clock()
    source = parts.build("source", "files", {"files": str(path)})
    recipe = Recipe(
        source=source,
        select="jet_pt > 500 and jet_pt < 1000 and abs(jet_eta) < 2",
        targets=[Target("jet", ("qcd", "top"), expressions=("label_qcd == 1", "label_top == 1"))],
        weights={
            "reweight": {
                "variables": {"jet_pt": PT_EDGES, "jet_eta": ETA_EDGES},
                "reference": "qcd",
            }
        },
        split={"name": "fraction", "train": 0.9, "validation": 0.1, "test": 0.0},
        columns=parts.build("representation", "point_cloud", options).columns(source.fields()),
    )
    cache = EventCache.build(recipe, folder, memory)
    task = Task(
        cache=str(cache.folder),
        folder=str(folder),
        representation=("point_cloud", options),
        model=("particle_net", {}),
        terms=[],
        targets={"jet": Target("jet", ("qcd", "top"))},
        settings={"batch_size": BATCH},
        memory=memory,
    )
    data = Data(task)
    if memory == HELD:
        data.load()
    for epoch in range(3):
        jets = sum(len(batch) for batch in data.batches("train", epoch))
        yield jets, clock.lap()


def weaver(path: Path, folder: Path, epochs: int, **options: object) -> Iterator[tuple[int, Lap]]:
    """Yield jets and seconds of each epoch; the first one makes the reweighting histograms."""
    import torch
    import uproot
    import yaml
    from weaver.utils.dataset import SimpleIterDataset

    logging.disable(logging.WARNING)
    config = folder / "weaver.yaml"
    config.write_text(yaml.safe_dump(WEAVER, sort_keys=False))
    clock = Clock()
    jets = SimpleIterDataset(
        {"_": [str(path)]}, str(config), load_range_and_fraction=((0, 0.9), 1, 1), **options
    )
    loader = torch.utils.data.DataLoader(jets, batch_size=BATCH, num_workers=0)
    # Held in memory, it goes on without end.
    steps = uproot.open(path)["jets"].num_entries // BATCH if "in_memory" in options else None
    for _ in range(epochs):
        count = sum(len(inputs["mask"]) for inputs, *_ in islice(loader, steps))
        yield count, clock.lap()


SIDES = {
    "ours, streamed": lambda path, folder: ours(path, folder, MEMORY),
    "ours, held": lambda path, folder: ours(path, folder, HELD),
    "weaver, step 0.01": lambda path, folder: weaver(path, folder, 1, fetch_step=0.01),
    "weaver, step 0.2": lambda path, folder: weaver(path, folder, 2, fetch_step=0.2),
    "weaver, in memory": lambda path, folder: weaver(
        path, folder, 2, fetch_step=1.0, in_memory=True
    ),
}
#: What is set beside what: reading with bounded memory, and all events held.
PAIRS = [
    ("ours, streamed", "weaver, step 0.01"),
    ("ours, streamed", "weaver, step 0.2"),
    ("ours, held", "weaver, in memory"),
]

EPOCHS = [(0, "first"), (-1, "later")]
UNITS = [(0, "wall"), (1, "CPU")]


def measured(side: str, path: Path, packages: str | None) -> dict[str, float]:
    """Return jets/s of the first and the last epoch and the peak memory, of a fresh process."""
    if not (few := path.with_name("few.root")).exists():
        write_jets(few, 5_000)
    command = [sys.executable, __file__, "--side", side, "--file", str(path)]
    threads = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"], "1")
    environment = os.environ | threads
    if packages:
        command += ["--weaver", packages]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, check=False)
    if done.returncode:
        sys.exit(f"{side}: {done.stderr[-2000:]}")
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(side: str, path: Path) -> None:
    """Print the figures of one side as JSON."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        for _ in SIDES[side](path.with_name("few.root"), Path(folder)):
            pass
    with tempfile.TemporaryDirectory() as folder:
        rates = [(jets / wall, jets / cpu) for jets, (wall, cpu) in SIDES[side](path, Path(folder))]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    named = {f"{epoch} {unit}": rates[e][u] for e, epoch in EPOCHS for u, unit in UNITS}
    print(json.dumps({**named, "peak": peak}))


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--jets", type=int, default=100_000)
    arguments.add_argument("--rounds", type=int, default=1)
    arguments.add_argument("--weaver", help="folder that holds weaver-core, if not installed")
    arguments.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    arguments.add_argument("--file", type=Path, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.weaver:
        sys.path.append(given.weaver)
    if given.side:
        measure(given.side, given.file)
        return
    with tempfile.TemporaryDirectory() as folder:
        report(Path(folder), given.jets, given.weaver, given.rounds)


def report(folder: Path, jets: int, packages: str | None, rounds: int) -> None:
    """Print rates, ratios and peak memory."""
    write_jets(folder / "jets.root", jets)
    size = (folder / "jets.root").stat().st_size / 1e6
    print(f"{jets:,} jets, {size:.0f} MB; jets per second, and per second of CPU time; peak in MB")
    columns = [f"{epoch} {unit}" for _, epoch in EPOCHS for _, unit in UNITS] + ["peak"]
    print(" " * 36 + "".join(f"{name:>12}" for name in columns))
    found = [{s: measured(s, folder / "jets.root", packages) for s in SIDES} for _ in range(rounds)]
    for side in SIDES:
        medians = (median(one[side][name] for one in found) for name in columns)
        print(f"{side:36}" + "".join(f"{value:12,.0f}" for value in medians))
    for one, other in PAIRS:
        print(f"{one + ' / ' + other:36}", end="")
        for name in columns[:-1]:
            ratios = [each[one][name] / each[other][name] for each in found]
            print(f"{median(ratios):12.1f} ({min(ratios):.1f}–{max(ratios):.1f})", end="")
        print()
    write_jets(folder / "jets.root", 10 * jets)
    peak = measured("ours, streamed", folder / "jets.root", None)["peak"]
    before = median(one["ours, streamed"]["peak"] for one in found)
    print(f"ours, streamed, ten times the file: peak {peak:,.0f} MB, {peak / before:.2f} ×")


if __name__ == "__main__":
    main()
