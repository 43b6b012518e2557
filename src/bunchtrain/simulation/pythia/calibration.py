"""QCD jets at particle level, matched to jets at detector level."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np

from bunchtrain.simulation.pythia import layout
from bunchtrain.simulation.pythia.collisions import Collisions, hard_bias, hard_window
from bunchtrain.simulation.pythia.detector import simulate_detector
from bunchtrain.simulation.pythia.jets import Jets
from bunchtrain.simulation.pythia.particles import Integers, delta_r
from bunchtrain.simulation.pythia.processes import QCD
from bunchtrain.simulation.pythia.recipe import Recipe

REACH = 2.5  # largest |η| of the true jets
POWER = 4.5  # of p̂T, by which hard collisions are favoured
MEASURED_PT_MIN = 5.0  # smallest measured pT in GeV


@dataclass(frozen=True)
class CalibrationJets(Recipe):
    """One true jet of each collision with the measured jet next to it; true pT in GeV."""

    pt_min: float
    pt_max: float
    radius: float
    constituents: int
    fields = layout.CALIBRATION_JETS
    classes = ("qcd",)

    def collisions(self, index: int, seed: int) -> Collisions:
        """Return dijets weighted towards large p̂T."""
        return Collisions(
            QCD, seed, *hard_window(0.6 * self.pt_min, 1.6 * self.pt_max), *hard_bias(POWER)
        )

    def select(
        self, index: int, collisions: Collisions, rng: np.random.Generator, size: int
    ) -> ak.Array:
        """Return the jets of one batch of `size` collisions."""
        record = collisions.record(size)
        particles = record.particles[record.visible]
        true = Jets(particles, record.events, self.radius, self.pt_min).kinematics()
        objects = simulate_detector(particles, rng)
        detected = Jets(objects, record.events, self.radius, MEASURED_PT_MIN)
        events, one = self.choose_one(true, rng)
        measured = detected.kinematics()[events]
        apart = delta_r(measured.eta, measured.phi, one.eta, one.phi)
        matched = ak.to_numpy(ak.fill_none(ak.min(apart, axis=1), np.inf)) < self.radius / 2
        found = np.isin(np.arange(record.events), events[matched])
        nearest = ak.argmin(apart[matched], axis=1, keepdims=True)
        jets = detected.table(found, nearest, self.constituents)
        for name in ("pt", "eta", "phi", "mass"):
            jets[f"true_{name}"] = one[name][matched]
        jets["weight"] = record.weight[found]
        return jets

    def choose_one(self, true: ak.Array, rng: np.random.Generator) -> tuple[Integers, ak.Array]:
        """Return the selected among random ones of the two hardest true jets, and their events."""
        true = true[ak.argsort(true.pt, axis=1, ascending=False)][:, :2]
        count = ak.to_numpy(ak.num(true))
        pick = (rng.random(len(count)) * count).astype(np.int64)
        some = np.flatnonzero(count > 0)
        one = ak.flatten(true[some][ak.unflatten(pick[some], np.ones_like(some))])
        wanted = ak.to_numpy((one.pt < self.pt_max) & (np.abs(one.eta) < REACH))
        return some[wanted], one[wanted]
