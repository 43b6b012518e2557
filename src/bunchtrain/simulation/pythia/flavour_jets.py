"""One part of a sample of b, c and light jets from top pairs and dijets."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np

from bunchtrain.simulation.pythia import layout
from bunchtrain.simulation.pythia.collisions import Collisions, hard_window
from bunchtrain.simulation.pythia.detector import simulate_detector
from bunchtrain.simulation.pythia.flavour import BEAUTY, CHARM, attach_tracks, label
from bunchtrain.simulation.pythia.jets import Jets
from bunchtrain.simulation.pythia.processes import DIJETS, TOP
from bunchtrain.simulation.pythia.recipe import Recipe
from bunchtrain.simulation.pythia.track_truth import origins, vertex_index
from bunchtrain.simulation.pythia.tracks import measure

FLAVOURS = (BEAUTY, CHARM, 0)
REACH = 2.5  # largest |η|
POWER = 4.5  # of p̂T, by which hard dijets are favoured


@dataclass(frozen=True)
class FlavourJets(Recipe):
    """Jets of the three flavours in turn, first from top pairs, then from dijets; pT in GeV."""

    pt_min: float
    pt_max: float
    radius: float
    fields = layout.B_JETS
    classes = ("b_top", "c_top", "light_top", "b_dijet", "c_dijet", "light_dijet")

    def collisions(self, index: int, seed: int) -> Collisions:
        """Return collisions of a class."""
        if index < len(FLAVOURS):
            return Collisions(TOP, seed)
        bias = "PhaseSpace:bias2Selection = on", f"PhaseSpace:bias2SelectionPow = {POWER}"
        window = hard_window(0.8 * self.pt_min, 1.6 * self.pt_max)
        return Collisions(tuple(DIJETS.values())[index - len(FLAVOURS)], seed, *window, *bias)

    def select(
        self, index: int, collisions: Collisions, rng: np.random.Generator, size: int
    ) -> ak.Array:
        """Return the jets of the flavour of the class in a batch of `size` collisions."""
        record = collisions.record(size)
        particles, vertex = record.particles[record.visible], record.vertex[record.visible]
        objects = simulate_detector(particles, rng)
        jets = Jets(objects, record.events, self.radius, self.pt_min).kinematics()
        jets = label(jets[(jets.pt < self.pt_max) & (np.abs(jets.eta) < REACH)], record)
        jets = jets[jets.flavour == FLAVOURS[index % len(FLAVOURS)]]
        tracks = measure(particles, vertex, rng)
        truth = {
            "origin": origins(record)[record.visible],
            "vertex": vertex_index(particles.event, vertex),
        }
        return attach_tracks(jets, tracks, record.events, self.radius, truth)
