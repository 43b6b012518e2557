"""Time of track finding against pile-up: ACTS' combinatorial Kalman filter, and a trained network.

    python benchmarks/tracking_time.py [--run RUNFOLDER] [--pile-up 0 10 20 50 100 200]
                                       [--hits 60000] [--seed 9301] [--output FILE.json]

tt̄ events with pile-up in ACTS' generic detector. ACTS: seeds, combinatorial Kalman filter and
ambiguity resolution, as ACTS' sequencer times them, one thread. With `--run`, the folder of a run
of a study on `acts_events`: everything from the columns of the hits to the track of each hit,
graph and network, on the same number of events, one thread. Wall times are multiplied by the
fraction of a core that the process got. Each line of numbers of hits has a power of it, fitted to
the logarithms from 1,000 hits on.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
import sys
import time
from importlib.util import find_spec
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain import parts

#: Parts of the names of ACTS' algorithms → the step that they belong to.
STEPS = {
    "SpacePointMaker": "seeds",
    "Seeding": "seeds",
    "TrackParamsEstimation": "seeds",
    "TrackFinding": "filter",
    "AmbiguityResolution": "ambiguity",
}


def acts_times(recipe: dict[str, Any], folder: Path) -> tuple[dict[str, float], float]:
    """Return step → seconds an event, and the number of hits of an event."""
    import acts
    import acts.examples as examples

    from bunchtrain.simulation.acts import reconstruction
    from bunchtrain.simulation.acts.collisions import Collisions
    from bunchtrain.simulation.acts.tables import event_columns, write_particles

    class Timed(reconstruction.Chain):
        def sequence(self, events: int) -> Any:
            return examples.Sequencer(
                events=events, numThreads=1, logLevel=acts.logging.ERROR, trackFpes=False,
                outputDir=str(folder), outputTimingFile="timing.csv",
            )  # fmt: skip

    particles, _ = Collisions(recipe).part(0)
    chain = Timed(recipe, folder)
    write_particles(particles, recipe["part"], folder)
    wall, cpu = time.perf_counter(), time.process_time()
    taken = chain.run(folder, recipe["part"], recipe["seed"])
    share = min(1.0, (time.process_time() - cpu) / (time.perf_counter() - wall))
    columns = event_columns(taken.arrow, taken.tracks, folder, recipe["field"])
    found = dict.fromkeys(STEPS.values(), 0.0)
    with (folder / "timing.csv").open(encoding="utf-8") as file:
        for row in csv.DictReader(file):
            for part, step in STEPS.items():
                if part in row["identifier"]:
                    found[step] += float(row["time_perevent_s"]) * share
                    break
    return found, float(np.mean(ak.num(columns["hit_x"])))


def network_time(run: Any, pile_up: float, events: int, seed: int) -> tuple[float, float]:
    """Return seconds an event, and the number of hits of an event."""
    options = run.study.source.options
    made = {"pile_up": pile_up, "events": events + 1, "seed": seed, "part": events + 1}
    source: Any = parts.build("source", "acts_events", {**options, **made})
    source.prepare()
    rows = next(source.blocks(list(source.fields()), events + 1))
    predictor = run.predictor()
    predictor.predict(rows[:1])  # compiles and allocates
    begin = time.process_time()
    predictor.predict(rows[1:])
    spent = (time.process_time() - begin) / events
    return spent, float(np.mean(ak.num(rows[1:].hit_x)))


def exponent(hits: list[float], seconds: list[float]) -> str:
    """Return the power p of t ∝ hitsᵖ with its error from the scatter, as text."""
    x, y = np.log(hits), np.log(seconds)
    chosen = x >= np.log(1000)
    x, y = x[chosen], y[chosen]
    if len(x) < 3:
        return "–"
    (power, constant), covariance = np.polyfit(x, y, 1, cov="unscaled")
    spread = np.sum((y - power * x - constant) ** 2) / (len(x) - 2)
    return f"{power:.2f} ± {np.sqrt(covariance[0, 0] * spread):.2f}"


def measure(given: argparse.Namespace, run: Any, pile_up: float) -> dict[str, float]:
    """Return and print the times of one pile-up in seconds an event."""
    events = max(2, round(given.hits / (1600 + 380 * pile_up)))
    line: dict[str, float] = {"pile_up": pile_up, "events": events}
    if run is not None:
        line["network"], _ = network_time(run, pile_up, events, given.seed)
    options = {"pile_up": pile_up, "part": events, "seed": given.seed, "pool": 200}
    source: Any = parts.build("source", "acts_events", options)
    with TemporaryDirectory() as folder:
        steps, line["hits"] = acts_times(source.recipe, Path(folder))
    line |= steps | {"ckf": sum(steps.values())}
    print(described(line, steps), flush=True)
    return line


def described(line: dict[str, float], steps: dict[str, float]) -> str:
    """Return the times at one pile-up as text."""
    text = ", ".join(f"{name} {1000 * value:.0f}" for name, value in steps.items())
    found = f"pile-up {line['pile_up']:g}, {line['events']:g} events of {line['hits']:,.0f} hits: "
    found += f"ACTS {1000 * line['ckf']:.0f} ms ({text})"
    if "network" in line:
        ratio = line["network"] / line["ckf"]
        found += f"; network {1000 * line['network']:.0f} ms, {ratio:.2f} times that of ACTS"
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--run", help="folder of a run whose network finds tracks")
    parser.add_argument("--pile-up", type=float, nargs="+", default=[0, 10, 20, 50, 100, 200])
    parser.add_argument("--hits", type=int, default=60_000, help="of all events of one pile-up")
    parser.add_argument("--seed", type=int, default=9301)
    parser.add_argument("--output", help="JSON file for the numbers")
    given = parser.parse_args()
    if find_spec("acts") is None:
        print("not measured: pip install 'bunchtrain[acts]'")
        return 0
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    run = None
    if given.run:
        import torch

        import bunchtrain

        torch.set_num_threads(1)
        run = bunchtrain.open_run(given.run)
    lines = [measure(given, run, pile_up) for pile_up in given.pile_up]
    hits = [line["hits"] for line in lines]
    for name in ("ckf", *(["network"] if run is not None else [])):
        print(f"{name}: time ∝ hits^({exponent(hits, [line[name] for line in lines])})")
    if given.output:
        Path(given.output).write_text(json.dumps(lines, indent=1), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
