"""The published decision trees of track quality as a circuit, beside the published circuit.

    python benchmarks/track_quality.py [--stages 4]

Takes the 100 trees of depth 3 and the 5,000 tracks of the CMS Level-1 track-quality example from
$BUNCHTRAIN_DATA/trigger, with its number formats: features and leaves in steps of 1/32, rounded
down. Says how many scores are the published bit-accurate ones, and counts what Yosys makes of it.
The published circuit takes 6 cycles, 5,739 LUT and no DSP on a VU9P, by the vendor's synthesis.
"""

from __future__ import annotations

import argparse
import gzip
import os
import re
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import torch

from bunchtrain.deployment.circuits.forest import Forest
from bunchtrain.deployment.circuits.hardware import write_verilog
from bunchtrain.deployment.circuits.simulation import simulate
from bunchtrain.deployment.circuits.synthesis import synthesise_large
from bunchtrain.deployment.circuits.tracing import Pipeline
from bunchtrain.networks.layers.trees import DecisionTrees, Tree

STEPS, FEATURES = 32, 7
#: The published scores differ from those of the published trees where this is below −10.
Z0 = 1


def read(path: Path) -> str:
    """Return the text of a compressed file."""
    return gzip.decompress(path.read_bytes()).decode()


def published_trees(text: str) -> DecisionTrees:
    """Return the trees of `parameters.h`, their values rounded down to 1/32."""
    first = re.search(r"\{([\d.]+)\},\s*\{ // The array of trees", text)
    assert first is not None
    base = np.floor(float(first.group(1)) * STEPS) / STEPS
    lists = re.findall(r"\{([-\d.,e]+)\}", text[text.index("// trees[0]") :])
    arrays = [np.array([float(number) for number in one.split(",")]) for one in lists]
    trees = [_tree(*arrays[start : start + 5]) for start in range(0, len(arrays), 6)]
    model = DecisionTrees(1)
    model.set_trees(trees, np.array([base]))
    return model


def _tree(
    feature: np.ndarray, cut: np.ndarray, value: np.ndarray, left: np.ndarray, right: np.ndarray
) -> Tree:
    children = left.astype(int), right.astype(int)
    leaves = np.where(children[0] < 0, np.floor(value * STEPS) / STEPS, 0)
    missing = np.zeros(len(cut), bool)
    return Tree(*children, np.maximum(feature, 0).astype(int), cut, missing, leaves[:, None])


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--stages", type=int, default=4)
    stages = parser.parse_args().stages
    folder = Path(os.environ.get("BUNCHTRAIN_DATA", "../shared/data")) / "trigger"
    if not folder.is_dir():
        print(f"{folder} is not there: set BUNCHTRAIN_DATA")
        return 0
    lines = read(folder / "tb_input_features.dat.gz").strip().splitlines()
    raw = np.array([[float(number) for number in line.split(",")] for line in lines])
    tracks = np.floor(raw * STEPS) / STEPS
    published = np.array((folder / "csim_results.log").read_text().split(), float)
    formats = np.full(FEATURES, 1), np.full(FEATURES, 5), np.full(FEATURES, 5)
    trees = published_trees(read(folder / "parameters.h.gz"))
    forest = Forest(trees, formats, 5, [f"feature_{n}" for n in range(FEATURES)])
    sample = forest.sample({"table": torch.from_numpy(tracks)})
    differs = sample.outputs[:, 0] != published
    print(f"{np.sum(~differs)} of {len(tracks)} scores are the published ones")
    low, high = tracks[differs, Z0].max(initial=-np.inf), tracks[~differs, Z0].min()
    print(f"all others have z0 up to {low} cm, all equal ones from {high} cm on")
    begin = time.perf_counter()
    with tempfile.TemporaryDirectory() as scratch:
        circuit, place = forest.circuit(["score"]), Path(scratch)
        hardware = write_verilog(circuit, Pipeline(stages, ternary=True), place / "verilog")
        gates = simulate(hardware, place / "simulation", sample.inputs, sample.outputs)
        cells = synthesise_large(hardware, place / "synthesis")
    print(
        f"{gates.mismatches} mismatches of gates and trees, {gates.latency} cycles ({gates.tool})"
    )
    print(f"{dict(cells.counts)} on {cells.family} ({cells.tool}); published: 5739 LUT, 6 cycles")
    print(f"{time.perf_counter() - begin:.0f} s")
    return int(gates.mismatches > 0)


if __name__ == "__main__":
    sys.exit(main())
