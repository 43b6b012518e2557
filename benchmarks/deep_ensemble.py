"""Ten networks trained together, as one batched network, against one of them alone.

    python benchmarks/deep_ensemble.py [--events 40000] [--epochs 2] [--threads 2] [--members 10]

The dense network of the study `bayesian_top_tagging` (60 inputs, layers of 100, 100, 50 and 50
units, batches of 256), trained by the toolkit on made-up events, validation included. One network
and the ensemble are trained in turns, and the best of three times of each counts.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Collection, Iterator
from pathlib import Path

import awkward as ak
import numpy as np

from bunchtrain.methods.task import Task
from bunchtrain.study.schema import Training
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.table import Table
from bunchtrain.targets import Target
from bunchtrain.training.train import train

INPUTS = [f"x{number}" for number in range(60)]


class Gaussians(Table):
    """Two classes of shifted Gaussians in 60 variables."""

    def __init__(self, events: int) -> None:
        random = np.random.default_rng(1)
        label = np.arange(events) % 2
        shifted = random.normal(size=(60, events)).astype(np.float32) + 0.2 * label
        self.events = ak.zip({"label": label, **dict(zip(INPUTS, shifted, strict=True))})

    def fingerprint(self) -> str:
        """Return a name of the content."""
        return f"benchmark-{len(self.events)}"

    def fields(self) -> dict[str, str]:
        """Return column → type."""
        return {name: str(self.events[name].type.content) for name in self.events.fields}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the events."""
        for start in range(0, len(self.events), rows):
            yield self.events[start : start + rows][list(columns)]


def make_task(folder: Path, options: argparse.Namespace) -> Task:
    target = Target("kind", ("no", "yes"), expressions=("label == 0", "label == 1"))
    recipe = Recipe(
        Gaussians(options.events), targets=[target],
        weights={"negative": "raise"}, split={"name": "fraction"}, columns=INPUTS,
    )  # fmt: skip
    cache = EventCache.build(recipe, folder / "cache")
    settings = Training(epochs=options.epochs, batch_size=256, threads=options.threads)
    return Task(
        cache=str(cache.folder),
        folder=str(folder / "run"),
        representation=("table", {"features": INPUTS}),
        model=("dense_network", {"widths": [100, 100, 50, 50]}),
        terms=[("cross_entropy", {}, "kind", 1.0)],
        targets={"kind": target},
        settings=settings.model_dump(mode="json"),
    )


def seconds(task: Task) -> float:
    """Return the time of the epochs, without making batches of the cache."""
    train(task)
    return float(json.loads((Path(task.folder) / "training.json").read_text())["seconds"])


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=40_000)
    parser.add_argument("--epochs", type=int, default=2)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--members", type=int, default=10)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        alone = make_task(Path(folder), options)
        together = Task(
            **{**vars(alone), "posterior": ("deep_ensemble", {"size": options.members})}
        )
        times = [(seconds(alone), seconds(together)) for _ in range(3)]
    one, all_of_them = (min(column) for column in zip(*times, strict=True))
    print(f"one network {one:.2f} s, {options.members} together {all_of_them:.2f} s")
    print(f"ratio {all_of_them / one:.2f}; of the three turns:", end=" ")
    print(", ".join(f"{b / a:.2f}" for a, b in times))


if __name__ == "__main__":
    main()
