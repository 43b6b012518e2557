"""Boosted jets a second on one core, and where the time goes.

Run it as `python benchmarks/generation.py [JETS]`; it prints CPU time, so that other work on the
machine does not matter much.
"""

from __future__ import annotations

import sys
import time

import numpy as np
from rich.console import Console
from rich.table import Table

from bunchtrain.simulation.pythia.collisions import Collisions, hard_window
from bunchtrain.simulation.pythia.detector import simulate_detector
from bunchtrain.simulation.pythia.jets import leading_jets, matched_parton
from bunchtrain.simulation.pythia.processes import QCD, TOP, Process
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


def main() -> None:
    """Print the table."""
    wanted = int(sys.argv[1]) if len(sys.argv) > 1 else 500
    table = Table("jets", "jets/s a core", "start", "Pythia", "detector", "jet finding")
    for name, process in {"top": TOP, "QCD": QCD}.items():
        made, spent = measure(process, wanted)
        shares = [f"{seconds / sum(spent):.0%}" for seconds in spent]
        table.add_row(f"{made} {name}", f"{made / sum(spent):.0f}", *shares)
    Console().print(table)


if __name__ == "__main__":
    main()
