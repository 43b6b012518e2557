from __future__ import annotations

from collections.abc import Callable, Collection, Iterator
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pytest

from bunchtrain.methods.task import Task
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.table import Table
from bunchtrain.targets import Target

SETTINGS: dict[str, Any] = {
    "epochs": 3,
    "batch_size": 64,
    "learning_rate": 1e-2,
    "optimiser": "adam",
    "weight_decay": 0.0,
    "schedule": "constant",
    "warmup": 0.0,
    "patience": None,
    "gradient_clip": None,
    "precision": "auto",
    "engine": {"name": "local"},
    "threads": 1,
    "logs": ["csv"],
}


class Gaussians(Table):
    """Signal and background as two shifted Gaussians in three variables."""

    def __init__(self, events: int = 700) -> None:
        random = np.random.default_rng(7)
        label = np.arange(events) % 2
        x, y, z = random.normal(size=(3, events)).astype(np.float32) + label.astype(np.float32)
        weight = random.uniform(0.5, 1.5, events)
        self.events = ak.zip({"x": x, "y": y, "z": z, "label": label, "w": weight})

    def fingerprint(self) -> str:
        return f"gaussians-{len(self.events)}"

    def fields(self) -> dict[str, str]:
        return {name: str(self.events[name].type.content) for name in self.events.fields}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        for start in range(0, len(self.events), rows):
            yield self.events[start : start + rows][list(columns)]


@pytest.fixture(scope="session")
def source() -> Gaussians:
    return Gaussians()


@pytest.fixture(scope="session")
def cache(source: Gaussians, tmp_path_factory: pytest.TempPathFactory) -> EventCache:
    recipe = Recipe(
        source,
        targets=[
            Target("kind", ("background", "signal"), expressions=("label == 0", "label == 1")),
            Target("sum", values=("sum",), expressions=("x + y",)),
        ],
        weights={"event": "w", "negative": "raise"},
        split={"name": "fraction"},
        columns=["x", "y", "z"],
    )
    return EventCache.build(recipe, tmp_path_factory.mktemp("cache"))


@pytest.fixture
def make_task(cache: EventCache, tmp_path: Path) -> Callable[..., Task]:
    """Return a function that makes a task with some settings or fields changed."""

    def make(folder: str = "run", settings: dict[str, Any] | None = None, **fields: Any) -> Task:
        plain: dict[str, Any] = {
            "cache": str(cache.folder),
            "folder": str(tmp_path / folder),
            "representation": ("table", {"features": ["x", "y", "z"]}),
            "model": ("dense_network", {"widths": [16, 16], "dropout": 0.1}),
            "terms": [("cross_entropy", {}, "kind", 1.0)],
            "targets": {"kind": Target("kind", ("background", "signal"))},
            "settings": SETTINGS | (settings or {}),
        }
        return Task(**(plain | fields))

    return make
