"""Boosted jets a second on one core, where the time goes, and beside Pythia and FastJet alone.

    python benchmarks/generation.py [JETS] [--rounds 3]

The first table is in CPU time of this process, so that other work on the machine does not matter
much. For the second, two processes make a part of `boosted_jets` each, with the detector, the match
to the truth and the files; then they make the same collisions with Pythia (same seeds, settings and
vetoes, in the same batches) and cluster the visible particles with FastJet, and do no more.
"""

from __future__ import annotations

import argparse
import multiprocessing
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import awkward as ak
import numpy as np
from rich.console import Console
from rich.table import Table

from bunchtrain.simulation.pythia.collisions import Collisions, hard_window
from bunchtrain.simulation.pythia.detector import simulate_detector
from bunchtrain.simulation.pythia.jets import Jets, leading_jets, matched_parton
from bunchtrain.simulation.pythia.leading_jets import TopJets
from bunchtrain.simulation.pythia.processes import QCD, TOP, Process
from bunchtrain.simulation.pythia.production import write_part
from bunchtrain.simulation.pythia.veto import LeadingJetVeto

COLLISIONS = 250


def measure(process: Process, wanted: int) -> tuple[int, list[float]]:
    """Return the number of jets made and the CPU seconds of start, Pythia, detector, jets."""
    marks, rng, made = [time.process_time()], np.random.default_rng(1), 0
    veto = LeadingJetVeto(550.0, 650.0, 0.8, 2.0)
    collisions = Collisions(process, 1, *hard_window(330.0, 1040.0), veto=veto)
    marks.append(time.process_time())
    spent = [marks[1] - marks[0], 0.0, 0.0, 0.0]
    while made < wanted:
        marks = [time.process_time()]
        events, particles, truth = collisions.batch(COLLISIONS)
        marks.append(time.process_time())
        objects = simulate_detector(particles, rng)
        marks.append(time.process_time())
        jets = leading_jets(objects, events, radius=0.8, pt_min=550.0, constituents=200)
        chosen = (jets.jet_pt < 650.0) & (np.abs(jets.jet_eta) < 2.0)
        if process is TOP:
            chosen = chosen & (matched_parton(jets, truth, events, 0.8, quarks=3) > 0)
        made += int(np.sum(chosen))
        marks.append(time.process_time())
        spent[1:] = [s + b - a for s, a, b in zip(spent[1:], marks[:-1], marks[1:], strict=True)]
    return made, spent


class Recorded(TopJets):
    """The recipe of `boosted_jets`, with the collisions that it made."""

    def collisions(self, index: int, seed: int) -> Collisions:
        """Return collisions of a class, whose number in each batch is written down."""
        self.made.append((index, seed, list[int]()))
        return super().collisions(index, seed)

    def select(self, index: int, collisions: Collisions, rng: Any, size: int) -> ak.Array:
        """Return the selected jets of one batch."""
        self.made[-1][2].append(size)
        return super().select(index, collisions, rng, size)

    @property
    def made(self) -> list[tuple[int, int, list[int]]]:
        """Class, seed, and the number of collisions in each batch."""
        return MADE


MADE: list[tuple[int, int, list[int]]] = []


def make_part(part: int, jets: int, rounds: int) -> list[tuple[float, float]]:
    """Return the seconds of a part by the toolkit, and of the same collisions alone."""
    given = {"detector": True, "radius": 0.8, "constituents": 200, "pt_min": 550.0, "pt_max": 650.0}
    recipe = Recorded(seed=1, part=jets, **given)
    found = []
    for turn in range(rounds + 1):  # the first one imports and compiles
        MADE.clear()
        marks = [time.perf_counter()]
        with tempfile.TemporaryDirectory() as folder:
            write_part(recipe, part * (rounds + 1) + turn, Path(folder) / "part.parquet")
        marks.append(time.perf_counter())
        for index, seed, sizes in MADE:
            collisions = TopJets.collisions(recipe, index, seed)
            for size in sizes:
                record = collisions.record(size)
                particles = record.particles[record.visible]
                _ = Jets(particles, record.events, 0.8, 550.0).momenta
        marks.append(time.perf_counter())
        found.append((marks[1] - marks[0], marks[2] - marks[1]))
    return found[1:]


def compare(jets: int, rounds: int) -> None:
    """Print the rates of two processes."""
    with multiprocessing.get_context("spawn").Pool(2) as pool:
        both = pool.starmap(make_part, [(part, jets, rounds) for part in range(2)])
    own, alone = (
        [4 * jets / sum(one[turn][side] for one in both) for turn in range(rounds)]
        for side in range(2)
    )
    ratios = [a / b for a, b in zip(own, alone, strict=True)]
    table = Table("two processes", "jets/s", "Pythia and FastJet alone", "ratio")
    spread = f"{median(ratios):.2f} ({min(ratios):.2f} to {max(ratios):.2f})"
    table.add_row("boosted_jets", f"{median(own):.0f}", f"{median(alone):.0f}", spread)
    Console().print(table)


def main() -> None:
    """Print the tables."""
    options = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    options.add_argument("jets", type=int, nargs="?", default=500)
    options.add_argument("--rounds", type=int, default=3)
    given = options.parse_args()
    table = Table("jets", "jets/s a core", "start", "Pythia", "detector", "jet finding")
    for name, process in {"top": TOP, "QCD": QCD}.items():
        made, spent = measure(process, given.jets)
        shares = [f"{seconds / sum(spent):.0%}" for seconds in spent]
        table.add_row(f"{made} {name}", f"{made / sum(spent):.0f}", *shares)
    Console().print(table)
    compare(given.jets, given.rounds)


if __name__ == "__main__":
    main()
