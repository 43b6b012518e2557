"""One part of a sample of boosted top and QCD jets: collisions, detector, jets, selection."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np
import pyarrow as pa

from bunchtrain.generators.simulation.collisions import PROCESSES, Collisions
from bunchtrain.generators.simulation.detector import respond
from bunchtrain.generators.simulation.jets import leading_jets, matched_top
from bunchtrain.generators.simulation.layout import to_table

ETA_MAX = 2.0
BATCH = 250  # collisions simulated at once; part of the recipe, as random numbers depend on it


@dataclass(frozen=True)
class Recipe:
    """What the jets of a sample depend on; momenta in GeV, `part` jets share a seed."""

    seed: int
    detector: bool
    pt_min: float
    pt_max: float
    radius: float
    constituents: int
    part: int

    def __call__(self, number: int) -> pa.Table:
        """Return part `number`: tops and QCD jets in turn."""
        first = number * self.part
        classes = [
            self.jets(process, number, (self.part + 1 - index) // 2)
            for index, process in enumerate(PROCESSES)
        ]
        together = ak.concatenate(classes)
        place = np.concatenate([2 * np.arange(len(c)) + i for i, c in enumerate(classes)])
        together = together[np.argsort(place)]
        together["event_id"] = np.arange(first, first + self.part)
        return to_table(together)

    def jets(self, process: str, number: int, count: int) -> ak.Array:
        """Return `count` selected jets of one process."""
        key = np.random.SeedSequence([self.seed, number, list(PROCESSES).index(process)])
        rng = np.random.default_rng(key)
        collisions = Collisions(
            process,
            int(rng.integers(1, 900_000_000)),
            pt_min=self.pt_min,
            pt_max=self.pt_max,
            radius=self.radius,
            eta_max=ETA_MAX,
        )
        found: list[ak.Array] = []
        while sum(map(len, found)) < count:
            found.append(self.select(process, collisions, rng, min(BATCH, 4 * count)))
        return ak.concatenate(found)[:count]

    def select(
        self, process: str, collisions: Collisions, rng: np.random.Generator, size: int
    ) -> ak.Array:
        """Return the selected jets of one batch of `size` collisions."""
        events, particles, truth = collisions.batch(size)
        objects = respond(particles, rng) if self.detector else particles
        jets = leading_jets(
            objects,
            events,
            radius=self.radius,
            pt_min=self.pt_min,
            constituents=self.constituents,
        )
        jets["truth_pt"] = matched_top(jets, truth, events, self.radius)
        jets["is_top"] = np.full(len(jets), process == "top")
        chosen = (jets.jet_pt < self.pt_max) & (np.abs(jets.jet_eta) < ETA_MAX)
        return jets[chosen & (jets.truth_pt > 0)] if process == "top" else jets[chosen]
