"""Jet images a second: bunchtrain against EnergyFlow's `pixelate` and a numpy loop over jets.

    python benchmarks/jet_images.py [--energyflow INTERPRETER] [--jets 20000]

EnergyFlow knows three of the six steps (centre, pixelate, normalise), so all six are compared with
a plain numpy loop. It needs numpy 1.26: give the interpreter of an environment that has it; without
one the numpy loop stands in for it. Everything runs on one thread, on the same made-up jets of 20
to 80 constituents, in turns; the best of each counts.
"""

from __future__ import annotations

import argparse
import subprocess
import tempfile
import time
from collections import deque
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import torch

from bunchtrain.representations.image import Image

PIXELS, WIDTH, TURNS, BLOCK = 40, 1.6, 5, 500
ENERGYFLOW = """
import sys, time, numpy as np, energyflow as ef
f = np.load(sys.argv[1])
jets = np.split(f["points"], np.cumsum(f["lengths"])[:-1])
begin = time.perf_counter()
for jet in jets:
    ef.utils.pixelate(jet, npix=40, img_width=1.6, nb_chan=1, norm=True)
print(time.perf_counter() - begin)
"""


def make_jets(jets: int, seed: int = 1) -> tuple[np.ndarray, np.ndarray]:
    """Return packed (pT, η, φ) of jets of 20 to 80 constituents, and their numbers."""
    random = np.random.default_rng(seed)
    lengths = random.integers(20, 81, jets)
    points = lengths.sum()
    pt = random.exponential(10, points)
    return np.stack([pt, *random.normal(0, 0.25, (2, points))], axis=1), lengths


def plain_loop(points: np.ndarray, lengths: np.ndarray, all_steps: bool) -> np.ndarray:
    """Make the images jet by jet, each step in numpy."""
    jets = np.split(points, np.cumsum(lengths)[:-1])
    return np.stack([_one_image(jet, all_steps) for jet in jets])


def _one_image(jet: np.ndarray, all_steps: bool) -> np.ndarray:
    pt, x, y = jet.T
    x, y = x - np.average(x, weights=pt), y - np.average(y, weights=pt)
    if all_steps:
        turn = np.pi / 2 - 0.5 * np.arctan2(2 * (pt * x * y).sum(), (pt * (x * x - y * y)).sum())
        x, y = np.cos(turn) * x - np.sin(turn) * y, np.sin(turn) * x + np.cos(turn) * y
        quadrants = np.bincount((x < 0) + 2 * (y < 0), pt, 4)
        x, y = x * (1 - 2 * (quadrants.argmax() % 2)), y * (1 - 2 * (quadrants.argmax() // 2))
    row, column = (np.floor(v * PIXELS / WIDTH + PIXELS / 2).astype(int) for v in (y, x))
    inside = (row >= 0) & (row < PIXELS) & (column >= 0) & (column < PIXELS)
    pixel = (row * PIXELS + column)[inside]
    image = np.bincount(pixel, pt[inside], PIXELS**2).reshape(PIXELS, PIXELS)
    return image / image.sum()


def energyflow_seconds(interpreter: str, points: np.ndarray, lengths: np.ndarray) -> float:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "jets.npz"
        np.savez(path, points=np.column_stack([points, np.zeros(len(points))]), lengths=lengths)
        command = [interpreter, "-c", ENERGYFLOW, str(path)]
        return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def seconds(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def ours(points: np.ndarray, lengths: np.ndarray, all_steps: bool) -> Iterator[torch.Tensor]:
    """Yield the images in blocks, as training does, which drops each after its use."""
    image = Image(pixels=PIXELS, width=WIDTH, rotate=all_steps, flip=all_steps)
    pt, x, y = np.ascontiguousarray(points.T, dtype=np.float32)
    ends = np.cumsum(lengths)
    for low in range(0, len(lengths), BLOCK):
        last = min(low + BLOCK, len(lengths))
        of = slice(ends[low] - lengths[low], ends[last - 1])
        yield image.images(x[of], y[of], pt[of], pt[of, None], lengths[low:last])


def compare(points: np.ndarray, lengths: np.ndarray, all_steps: bool, interpreter: str) -> None:
    """Print the rates of both and their ratio."""
    few = max(1, len(lengths) // 10)  # the loops are slow
    some = points[: lengths[:few].sum()], lengths[:few]

    def rival() -> float:
        if interpreter and not all_steps:
            return energyflow_seconds(interpreter, *some)
        return seconds(lambda: plain_loop(*some, all_steps))

    def mine() -> float:
        return seconds(lambda: deque(ours(points, lengths, all_steps), maxlen=0))

    turns = np.array([(mine(), rival()) for _ in range(TURNS)]).min(0)
    rate, rival_rate = len(lengths) / turns[0], few / turns[1]
    name = "EnergyFlow" if interpreter and not all_steps else "a numpy loop"
    print(
        f"{'six' if all_steps else 'three'} steps: bunchtrain {rate:,.0f} jets/s, "
        f"{name} {rival_rate:,.0f} jets/s, ratio {rate / rival_rate:.1f}"
    )
    if all_steps:
        images = torch.cat(list(ours(*some, True)))[:, 0].numpy()
        same = np.abs(images - plain_loop(*some, True)).sum((1, 2)) < 1e-4
        print(
            f"the same images as the loop for {same.mean():.1%} of the jets (rest: float32 edges)"
        )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--energyflow", default="", help="Python interpreter that has energyflow")
    parser.add_argument("--jets", type=int, default=20_000)
    options = parser.parse_args()
    torch.set_num_threads(1)
    points, lengths = make_jets(options.jets)
    for all_steps in (False, True):
        compare(points, lengths, all_steps, options.energyflow)


if __name__ == "__main__":
    main()
