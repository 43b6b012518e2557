"""Interface of recipes: one part of a sample, with a separate seed for each class."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

import awkward as ak
import numpy as np
import pyarrow as pa

from bunchtrain.simulation.pythia.collisions import Collisions
from bunchtrain.simulation.pythia.layout import to_table

BATCH = 250  # collisions simulated at once; part of the recipe, as random numbers depend on it


@dataclass(frozen=True)
class Recipe(ABC):
    """What the events of a sample depend on; the `part` events of a file share a seed."""

    seed: int
    part: int
    fields: ClassVar[dict[str, str]]
    #: Their order determines the seeds: add new classes at the end.
    classes: ClassVar[tuple[str, ...]]

    def __call__(self, part_index: int) -> pa.Table:
        """Return a part: events of all classes in turn."""
        count = len(self.classes)
        found = [
            self.events(index, part_index, (self.part + count - 1 - index) // count)
            for index in range(count)
        ]
        together = ak.concatenate(found)
        place = np.concatenate([count * np.arange(len(c)) + i for i, c in enumerate(found)])
        together = together[np.argsort(place)]
        together["event_id"] = np.arange(part_index * self.part, (part_index + 1) * self.part)
        return to_table(together, self.fields)

    def events(self, index: int, part_index: int, count: int) -> ak.Array:
        """Return `count` selected events of one class."""
        rng = np.random.default_rng(np.random.SeedSequence([self.seed, part_index, index]))
        collisions = self.collisions(index, int(rng.integers(1, 900_000_000)))
        found: list[ak.Array] = []
        while sum(map(len, found)) < count:
            found.append(self.select(index, collisions, rng, min(BATCH, 4 * count)))
        return ak.concatenate(found)[:count]

    @abstractmethod
    def collisions(self, index: int, seed: int) -> Collisions:
        """Return the collisions of a class."""

    @abstractmethod
    def select(
        self, index: int, collisions: Collisions, rng: np.random.Generator, size: int
    ) -> ak.Array:
        """Return the selected events of a batch of `size` collisions."""
