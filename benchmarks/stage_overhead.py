"""Time of the engine for a stage that does nothing: key, look-up in earlier runs, and record."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from bunchtrain.study import load
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.engine import Engine
from bunchtrain.workflow.graph.stage import Stage, StageContext

#: Stages of a graph, a large study; earlier runs that are searched for their results.
STAGES, RUNS = 60, 10


def _write(context: StageContext) -> None:
    context.place.mkdir(parents=True, exist_ok=True)
    (context.place / "table.txt").write_text(context.stage.name)


def _graph(version: str) -> dict[str, Stage]:
    every = {}
    for index in range(STAGES):
        name = f"stage_{index}"
        inputs = (f"stage_{index - 1}",) if index else ()
        options, files = {"version": version}, (f"stages/{name}/*",)
        every[name] = Stage(name, "transform", _write, inputs, options, files)
    return every


def measure() -> dict[str, float]:
    """Return milliseconds for a stage: run, taken from an earlier run, and found in this run."""
    study = load("jet_anomalies")
    with tempfile.TemporaryDirectory() as place:
        for index in range(RUNS):
            Engine(_graph(str(index)), RunFolder(Path(place) / str(index)), study).run()
        found = {}
        for what, version, folder in (
            ("run", "new", "run"),
            ("taken from an earlier run", str(RUNS - 1), "taken"),
            ("found in this run", str(RUNS - 1), "taken"),
        ):
            engine = Engine(_graph(version), RunFolder(Path(place) / folder), study)
            began = time.perf_counter()
            engine.run()
            found[what] = (time.perf_counter() - began) / STAGES * 1e3
    return found


def main() -> None:
    """Print the times beside the limit of 20 ms."""
    for what, spent in measure().items():
        print(f"{what}: {spent:.1f} ms a stage (limit 20 ms)")


if __name__ == "__main__":
    main()
