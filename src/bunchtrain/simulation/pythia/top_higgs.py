"""One part of a sample of tt̄H and tt̄bb̄ events with one lepton."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np

from bunchtrain.simulation.pythia import layout
from bunchtrain.simulation.pythia.collisions import Collisions
from bunchtrain.simulation.pythia.detector import simulate_detector
from bunchtrain.simulation.pythia.event_objects import (
    MUONS,
    by_event,
    isolated_leptons,
    remove_leptons,
    tag_jets,
)
from bunchtrain.simulation.pythia.flavour import label
from bunchtrain.simulation.pythia.jets import Jets
from bunchtrain.simulation.pythia.processes import TTBB, TTH, one_lepton
from bunchtrain.simulation.pythia.recipe import Recipe
from bunchtrain.simulation.pythia.veto import ExtraBottomVeto

RADIUS, JET_PT, REACH = 0.4, 25.0, 2.5
PARTICLE_PT = 0.5  # GeV


@dataclass(frozen=True)
class TopHiggs(Recipe):
    """Signal and background in turn, with positive and then with negative leptons."""

    jets: int
    tags: int
    particles: int
    fields = layout.TTH_EVENTS
    classes = ("tth_plus", "ttbb_plus", "tth_minus", "ttbb_minus")

    def collisions(self, index: int, seed: int) -> Collisions:
        """Return collisions of a class."""
        charge = 1 if index < 2 else -1
        if index % 2 == 0:
            return Collisions(one_lepton(TTH, charge), seed)
        return Collisions(one_lepton(TTBB, charge), seed, veto=ExtraBottomVeto())

    def select(
        self, index: int, collisions: Collisions, rng: np.random.Generator, size: int
    ) -> ak.Array:
        """Return the selected events of a batch of `size` collisions."""
        record = collisions.record(size)
        detected = simulate_detector(record.particles[record.visible], rng)
        objects = by_event(detected, record.events)
        leptons = isolated_leptons(objects)
        found = Jets(detected, record.events, RADIUS, JET_PT).kinematics()
        found = remove_leptons(found[np.abs(found.eta) < REACH], leptons, RADIUS)
        found = tag_jets(label(found, record), rng)
        kept = (ak.num(leptons) == 1) & (ak.num(found) >= self.jets)
        kept = kept & (ak.sum(found.tag, axis=1) >= self.tags)
        events = self.table(objects[kept], leptons[kept][:, 0], found[kept])
        events["is_tth"] = np.full(len(events), index % 2 == 0)
        return events

    def table(self, objects: ak.Array, lepton: ak.Array, jets: ak.Array) -> ak.Array:
        """Return the columns; jets and particles are ordered in pT."""
        jets = jets[ak.argsort(jets.pt, axis=1, ascending=False)]
        table = {f"jet_{name}": jets[name] for name in ("pt", "eta", "phi", "mass")}
        table |= {"jet_tag": jets.tag, "jet_flavour": jets.flavour}
        table |= {f"lepton_{name}": lepton[name] for name in ("pt", "eta", "phi", "charge")}
        table["lepton_is_muon"] = lepton.kind == MUONS
        across, along = ak.sum(objects.px, axis=1), ak.sum(objects.py, axis=1)
        table |= {"missing_pt": np.hypot(across, along), "missing_phi": np.arctan2(-along, -across)}
        order = ak.argsort(objects.pt, axis=1, ascending=False)
        kept = objects[order][:, : self.particles]
        kept = kept[kept.pt > PARTICLE_PT]
        for name in ("px", "py", "pz", "energy", "charge", "kind"):
            table[f"particle_{name}"] = kept[name]
        return ak.zip(table, depth_limit=1)
