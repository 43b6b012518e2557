"""NanoAOD with 500 branches of which 20 are read → batches, beside weaver-core and uproot's loop.

    python benchmarks/nanoaod_to_batches.py FILE.root [--events 50000] [--rounds 3]

The file is made of a NanoAOD file with few events: they are drawn at random, their real numbers
smeared by 1 % and rounded to ten bits, as NanoAOD rounds them, and 500 of its branches are written.
All sides read the same 20 of them, of jets and events, select events with two jets and make batches
of 512. Ours makes the event cache (selected, split, shuffled) and one epoch in the first pass, and
reads the cache in a later one; weaver-core reads the file in each epoch, in steps of 0.01 (its
default) or 0.2, and pads to 16 jets; the plain loop is what is written around coffea and uproot:
`uproot.iterate` over these branches, a mask, and padded tensors, without shuffling, weights or a
split. Imports and compilation are not counted: each side has read a file of 2,000 events before.
Every figure comes from a process of its own; the sides alternate.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any

import awkward as ak
import numpy as np
from root_to_batches import BATCH, MEMORY, Clock, Lap

BRANCHES, PADDED, BLOCK = 500, 16, 10_000
SHARES = ("chHEF", "neHEF", "chEmEF", "neEmEF", "muEF", "rawFactor", "area", "qgl", "btagCSVV2")
FEATURES = ["pt", "eta", "phi", "mass", "btagDeepB", *SHARES]
GLOBALS = ["MET_pt", "MET_phi", "MET_sumEt", "PV_npvs"]
READ = [*(f"Jet_{name}" for name in FEATURES), *GLOBALS, "event", "nJet"]
SELECT = "nJet >= 2"


def write_events(source: Path, path: Path, events: int) -> None:
    """Write events drawn from those of a NanoAOD file, with 500 of its branches."""
    import uproot

    tree, random = uproot.open(source)["Events"], np.random.default_rng(1)
    if missing := [name for name in READ if name not in tree]:
        sys.exit(f"{source} has no {', '.join(missing)}")
    lists, flat = _columns(tree)
    with uproot.recreate(path) as file:
        for start in range(0, events, BLOCK):
            rows = random.integers(0, tree.num_entries, min(BLOCK, events - start))
            block: dict[str, Any] = {}
            for group, fields in lists.items():
                block[group] = ak.zip({n: _smear(v[rows], random) for n, v in fields.items()})
            block |= {name: _smear(values[rows], random) for name, values in flat.items()}
            block["event"] = np.arange(start, start + len(rows))
            if start:
                file["Events"].extend(block)
            else:
                file.mktree("Events", block)
    found = len(uproot.open(path)["Events"].keys())
    print(f"{events:,} events, {found} branches, {path.stat().st_size / 1e6:.0f} MB")


def _columns(tree: Any) -> tuple[dict[str, dict[str, ak.Array]], dict[str, ak.Array]]:
    """Return the lists of each group, and columns with one number an event, 500 in all."""
    lists: dict[str, dict[str, ak.Array]] = {}
    flat: dict[str, ak.Array] = {}
    for name in [*READ, *sorted(set(tree.keys()) - set(READ))]:
        if len(lists) + len(flat) + sum(map(len, lists.values())) >= BRANCHES:
            break
        group, _, member = name.partition("_")
        if (name[0] == "n" and name[1:2].isupper()) or tree[name].typename == "std::string":
            continue  # the counters are written with their lists
        values = tree[name].array()
        if values.ndim == 1:
            flat[name] = values
        elif values.ndim == 2 and member:
            lists.setdefault(group, {})[member] = values
    return lists, flat


def _smear(values: ak.Array, random: np.random.Generator) -> ak.Array:
    """Return real numbers times 1 ± 0.01, rounded to ten bits; others as they are."""
    content = ak.to_numpy(ak.flatten(values, axis=None))
    if content.dtype.kind != "f":
        return values
    smeared = (content * random.normal(1, 0.01, len(content))).astype(np.float32)
    rounded = (smeared.view(np.uint32) & np.uint32(0xFFFFE000)).view(np.float32)
    return ak.unflatten(rounded, ak.num(values)) if values.ndim == 2 else ak.Array(rounded)


def ours(path: Path, folder: Path) -> Iterator[tuple[int, Lap]]:
    """Yield events and seconds of three epochs; the first one makes the cache."""
    from bunchtrain import parts
    from bunchtrain.methods.task import Task
    from bunchtrain.tables.cache.event_cache import EventCache
    from bunchtrain.tables.cache.recipe import Recipe
    from bunchtrain.targets import Target
    from bunchtrain.training.data import Data

    clock = Clock()
    source = parts.build("source", "files", {"files": str(path)})
    options = {"group": "Jet", "features": FEATURES, "globals": GLOBALS, "max_points": PADDED}
    parity = Target("parity", ("even", "odd"), expressions=("event % 2 == 0", "event % 2 == 1"))
    recipe = Recipe(
        source=source,
        select=SELECT,
        targets=[parity],
        split={"name": "fraction", "train": 0.98, "validation": 0.02, "test": 0.0},
        columns=parts.build("representation", "point_cloud", options).columns(source.fields()),
    )
    cache = EventCache.build(recipe, folder, MEMORY)
    task = Task(
        cache=str(cache.folder),
        folder=str(folder),
        representation=("point_cloud", options),
        model=("particle_net", {}),
        terms=[],
        targets={"parity": Target("parity", parity.classes)},
        settings={"batch_size": BATCH},
        memory=MEMORY,
    )
    data = Data(task)
    for epoch in range(3):
        yield sum(len(batch.tensors()) for batch in data.batches("train", epoch)), clock.lap()


def weaver(path: Path, folder: Path, step: float) -> Iterator[tuple[int, Lap]]:
    """Yield events and seconds of two epochs."""
    import torch
    import yaml
    from weaver.utils.dataset import SimpleIterDataset

    logging.disable(logging.WARNING)
    jets = {"length": PADDED, "vars": [[f"Jet_{name}", None] for name in FEATURES]}
    config = {
        "treename": "Events",
        "selection": SELECT,
        "new_variables": {
            "Jet_mask": "ak.ones_like(Jet_pt)",
            "even": "event % 2 == 0",
            "odd": "event % 2 == 1",
        },
        "preprocess": {"method": "manual", "data_fraction": 0.1, "params": None},
        "inputs": {
            "features": jets,
            "globals": {"length": None, "vars": [[name, None] for name in GLOBALS]},
            "mask": {"length": PADDED, "vars": [["Jet_mask", None]]},
        },
        "labels": {"type": "simple", "value": ["even", "odd"]},
    }
    (folder / "weaver.yaml").write_text(yaml.safe_dump(config, sort_keys=False))
    clock, files = Clock(), {"_": [str(path)]}
    events = SimpleIterDataset(
        files, str(folder / "weaver.yaml"), load_range_and_fraction=((0, 1), 1, 1), fetch_step=step
    )
    loader = torch.utils.data.DataLoader(events, batch_size=BATCH, num_workers=0)
    for _ in range(2):
        yield sum(len(inputs["mask"]) for inputs, *_ in loader), clock.lap()


def plain(path: Path, folder: Path) -> Iterator[tuple[int, Lap]]:
    """Yield events and seconds of two epochs of a loop over chunks."""
    import torch
    import uproot

    clock = Clock()
    for _ in range(2):
        events = 0
        for chunk in uproot.iterate(f"{path}:Events", READ, step_size=20_000):
            chosen = chunk[chunk.nJet >= 2]
            padded = [
                ak.to_numpy(ak.fill_none(ak.pad_none(chosen[f"Jet_{name}"], PADDED, clip=True), 0))
                for name in FEATURES
            ]
            features = torch.from_numpy(np.stack(padded, axis=-1).astype(np.float32))
            flat = np.stack([ak.to_numpy(chosen[name]) for name in GLOBALS], axis=-1)
            both = features, torch.from_numpy(flat.astype(np.float32))
            labels = torch.from_numpy(ak.to_numpy(chosen.event % 2 == 1).astype(np.int64))
            rows = zip(*(one.split(BATCH) for one in (*both, labels)), strict=True)
            events += sum(len(batch[0]) for batch in rows)
        yield events, clock.lap()


SIDES = {
    "ours": ours,
    "weaver, step 0.01": lambda path, folder: weaver(path, folder, 0.01),
    "weaver, step 0.2": lambda path, folder: weaver(path, folder, 0.2),
    "plain loop": plain,
}


def measure(side: str, path: Path) -> None:
    """Print events/s of the first and the last epoch, by the clock and in CPU time, as JSON."""
    import torch

    torch.set_num_threads(1)
    for one in (path.with_name("few.root"), path):
        with tempfile.TemporaryDirectory() as folder:
            laps = list(SIDES[side](one, Path(folder)))
    rates = [[events / seconds for seconds in lap] for events, lap in (laps[0], laps[-1])]
    print(json.dumps([*rates[0], *rates[1]]))


def measured(side: str, path: Path) -> list[float]:
    """Return what `measure` prints in a process of one thread."""
    threads = dict.fromkeys(["OMP_NUM_THREADS", "MKL_NUM_THREADS", "ARROW_NUM_THREADS"], "1")
    command = [sys.executable, __file__, str(path), "--side", side]
    done = subprocess.run(
        command, capture_output=True, text=True, env=os.environ | threads, check=False
    )
    if done.returncode:
        sys.exit(f"{side}: {done.stderr[-2000:]}")
    found: list[float] = json.loads(done.stdout.splitlines()[-1])
    return found


def main() -> None:
    """Print rates and ratios."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("file", type=Path, help="a NanoAOD file")
    options.add_argument("--events", type=int, default=50_000)
    options.add_argument("--rounds", type=int, default=3)
    options.add_argument("--side", choices=SIDES, help=argparse.SUPPRESS)
    given = options.parse_args()
    if given.side:
        measure(given.side, given.file)
        return
    columns = ["first, wall", "first, CPU", "later, wall", "later, CPU"]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "events.root"
        write_events(given.file, path.with_name("few.root"), 2_000)
        write_events(given.file, path, given.events)
        found = [{side: measured(side, path) for side in SIDES} for _ in range(given.rounds)]
    print("events per second" + "".join(f"{name:>20}" for name in columns))
    for side in SIDES:
        medians = (median(one[side][k] for one in found) for k in range(4))
        print(f"{side:17}" + "".join(f"{value:20,.0f}" for value in medians))
    for side in list(SIDES)[1:]:
        print(f"ours / {side}")
        for k, name in enumerate(columns):
            ratios = [one["ours"][k] / one[side][k] for one in found]
            print(f"  {name}: {median(ratios):.1f} ({min(ratios):.1f} to {max(ratios):.1f})")


if __name__ == "__main__":
    main()
