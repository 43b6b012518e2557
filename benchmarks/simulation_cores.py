"""Gain of a second process of the simulations, by the wall; run it on an idle machine of two cores.

    python benchmarks/simulation_cores.py [--runs 3] [--scale 1]

The same events are made by one and by two processes in turn, in eight parts. The start is a run of
one event by one process: interpreter, libraries and geometry. Ratios are those of the medians, with
the start and without it, and the range is that of the runs.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import time
from importlib.util import find_spec
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np

from bunchtrain import parts

PARTS = 8
IRON = [
    {
        "repeat": 60,
        "of": [
            {"material": "G4_Fe", "thickness": 21},
            {"material": "G4_POLYSTYRENE", "thickness": 5, "cell": 30},
        ],
    }
]
#: Title → source, module that it needs, events and options; each takes about a minute.
CASES: dict[str, tuple[str, str, int, dict[str, Any]]] = {
    "e⁻ 10 GeV in W/Si": ("geant4_calorimeter", "geant4_pybind", 800, {}),
    "π⁻ 20 GeV in Fe/scintillator": (
        *("geant4_calorimeter", "geant4_pybind", 400),
        {"layers": IRON, "width": 1000, "cut": 0.7, "particles": ["pi-"], "energy": [20]},
    ),
    "tt̄, pile-up 0": ("acts_events", "acts", 480, {}),
}


def wall(name: str, options: dict[str, Any], events: int, processes: int, folder: str) -> float:
    """Return the seconds in which the processes make the events."""
    part = max(events // PARTS, 1)
    given = {**options, "events": events, "part": part, "processes": processes, "folder": folder}
    source: Any = parts.build("source", name, given)
    start = time.perf_counter()
    source.prepare()
    spent = time.perf_counter() - start
    shutil.rmtree(source.parts()[0].parent)
    return spent


def measure(title: str, runs: int, scale: float, folder: str) -> None:
    """Print the rates of a case."""
    name, module, events, options = CASES[title]
    if find_spec(module) is None:
        print(f"{title}: not measured, {module} is not installed")
        return
    events = PARTS * max(int(events * scale / PARTS), 1)
    wall(name, options, 1, 1, folder)  # tables and geometry in the cache
    first = wall(name, options, 1, 1, folder)
    seconds = {1: list[float](), 2: list[float]()}
    for _ in range(runs):
        for processes, found in seconds.items():
            found.append(wall(name, options, events, processes, folder))
    one, two = (float(np.median(found)) for found in seconds.values())
    low, high = (f(a / b for a, b in zip(*seconds.values(), strict=True)) for f in (min, max))
    print(f"{title}, {events} events: {events / one:.2f} and {events / two:.2f} a second, start "
          f"{first:.1f} s; ratio {one / two:.2f} ({low:.2f} to {high:.2f}), "
          f"without the start {(one - first) / (two - first):.2f}", flush=True)  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--scale", type=float, default=1.0, help="of the numbers of events")
    given = parser.parse_args()
    cores = len(os.sched_getaffinity(0))
    busy = os.getloadavg()[0]
    print(f"{cores} cores, load {busy:.1f} before" + ("; not idle" if busy > 0.5 else ""))
    with TemporaryDirectory() as folder:
        for title in CASES:
            measure(title, given.runs, given.scale, folder)
    return 0


if __name__ == "__main__":
    sys.exit(main())
