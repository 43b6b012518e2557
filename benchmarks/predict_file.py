"""`bunchtrain predict` of a ROOT file of jets against the rate of its network alone.

    python benchmarks/predict_file.py [--jets 1000000] [--rounds 3] [--threads 1]

The file repeats simulated jets (hadronic τ and QCD, $BUNCHTRAIN_DATA/jets), constituents of more
than 0.1 GeV, 13 a jet on average. The command is a process from its start to the last row of its
Parquet file of scores; the network alone, a Particle Flow Network of the published widths, has its
inputs of the same jets in memory, in the blocks that the command uses. Both sides by the wall and
in CPU time, in alternation, with the same threads; reading and inference may overlap by the wall.
"""

from __future__ import annotations

import argparse
import os
import sys
import tempfile
import time
from itertools import islice
from pathlib import Path
from statistics import median
from typing import Any

import awkward as ak
import numpy as np
import yaml
from boosted_trees_whole import measured

BLOCK = 20_000
MIN_PT = 0.1  # GeV
BLOCKS = 4  # of inputs in memory


def write_jets(path: Path, jets: int) -> None:
    """Write the first jets of the sample, repeated as often as needed."""
    import uproot

    folder = Path(os.environ.get("BUNCHTRAIN_DATA", "../shared/data")) / "jets"
    with np.load(folder / "tau_qcd_constituents.npz") as file:
        eta, phi, pt = file["constituents_eta_phi_pt"].T
        counts, is_tau = np.diff(file["offsets"]), file["is_tau"].astype(np.int32)
    parts = {"px": pt * np.cos(phi), "py": pt * np.sin(phi), "pz": pt * np.sinh(eta)}
    parts["energy"] = pt * np.cosh(eta)
    part = ak.unflatten(ak.zip(parts | {"pt": pt}), counts)
    part = part[part.pt > MIN_PT][list(parts)]
    whole = {f"jet_{name}": ak.sum(part[name], axis=1) for name in parts}
    events = ak.zip({"part": part, **whole, "is_tau": is_tau}, depth_limit=1)
    # Mixed, as the sample has one class after the other; without empty jets.
    events = events[np.random.default_rng(1).permutation(len(events))]
    events = events[ak.num(events.part) > 0]
    with uproot.recreate(path) as file:
        for start in range(0, jets, BLOCK):
            rows = np.arange(start, min(start + BLOCK, jets)) % len(events)
            block = {name: events[name][rows] for name in events.fields}
            file["jets"].extend(block) if start else file.mktree("jets", block)


def train(folder: Path, threads: int) -> Path:
    """Return the folder of a run on 4,000 jets."""
    write_jets(folder / "small.root", 4000)
    study = {
        "name": "pfn",
        "source": {"name": "files", "files": str(folder / "small.root")},
        "targets": {"jet": {"classes": {"qcd": "is_tau == 0", "tau": "is_tau == 1"}}},
        "representation": {
            "name": "point_cloud", "group": "part", "jet": "jet", "max_points": 128
        },
        "models": {"pfn": {"model": "particle_flow_network"}},
        "training": {"epochs": 1, "threads": threads},
    }  # fmt: skip
    path = folder / "study.yaml"
    path.write_text(yaml.safe_dump(study))
    run = [sys.executable, "-m", "bunchtrain", "run", str(path), "--runs", str(folder)]
    measured(run, folder / "log")
    return next((folder / "pfn").glob("20*"))


def network_alone(run: Path, file: Path, jets: int, threads: int) -> tuple[float, float]:
    """Return wall and CPU seconds of the network for all jets, measured on some blocks."""
    import torch

    import bunchtrain
    from bunchtrain.tables.predictions import ROWS
    from bunchtrain.trained_files import load

    torch.set_num_threads(threads)
    model: Any = load(run / "models" / "pfn", is_own=True)
    source = bunchtrain.parts.build("source", "files", {"files": str(file)})
    rows = model.block_rows
    blocks = [
        model.represent(block[start : start + rows])[0]
        for block in islice(source.blocks(model.columns, ROWS), BLOCKS)
        for start in range(0, len(block), rows)
    ]
    model.draws(blocks[0])
    wall, cpu = time.perf_counter(), time.process_time()
    for batch in blocks:
        model.draws(batch)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    scale = jets / sum(map(len, blocks))
    return wall * scale, cpu * scale


def compare(folder: Path, jets: int, rounds: int, threads: int) -> None:
    """Print the times of the command and of the network, and the ratio of their rates."""
    run, file, few = train(folder, threads), folder / "big.root", folder / "few.root"
    write_jets(file, jets)
    write_jets(few, 10)
    log, options = folder / "log", ["--jets", str(jets), "--threads", str(threads)]
    command = [sys.executable, "-m", "bunchtrain", "predict", str(run)]
    output = ["--output", str(folder / "scores.parquet")]
    own = [sys.executable, __file__, "--alone", str(run), str(file), *options]
    whole, start, alone = [], [], []
    for _ in range(rounds):
        whole.append(measured([*command, str(file), *output], log))
        start.append(measured([*command, str(few), *output], log))
        measured(own, log)
        alone.append([float(word) for word in log.read_text().split()[-2:]])
    size = file.stat().st_size / 1e6
    print(f"{jets:,} jets in {size:,.0f} MB, {threads} threads, {rounds} rounds")
    print(f"peak memory of the command: {max(memory for *_, memory in whole):,.0f} MB")
    for place, unit in enumerate(("wall", "CPU")):
        a, w, s = ([one[place] for one in side] for side in (alone, whole, start))
        for name, values in (("command", w), ("the same on 10 jets", s), ("network alone", a)):
            print(f"{name:24}{show(values)} s {unit}")
        ratios = [x / y for x, y in zip(a, w, strict=True)]
        later = [x / (y - z) for x, y, z in zip(a, w, s, strict=True)]
        print(f"rate of command / of network, {unit}: {show(ratios)}; without start {show(later)}")


def show(values: list[float]) -> str:
    """Return median and range as text."""
    return f"{median(values):.2f} ({min(values):.2f} to {max(values):.2f})"


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    arguments.add_argument("--jets", type=int, default=1_000_000)
    arguments.add_argument("--rounds", type=int, default=3)
    arguments.add_argument("--threads", type=int, default=1)
    arguments.add_argument("--folder", type=Path, help="where files are made")
    arguments.add_argument("--alone", nargs=2, help=argparse.SUPPRESS)
    given = arguments.parse_args()
    if given.alone:
        run, file = map(Path, given.alone)
        print(*network_alone(run, file, given.jets, given.threads))
        return
    with tempfile.TemporaryDirectory(dir=given.folder) as made:
        os.environ["BUNCHTRAIN_CACHE"] = made
        compare(Path(made), given.jets, given.rounds, given.threads)


if __name__ == "__main__":
    main()
