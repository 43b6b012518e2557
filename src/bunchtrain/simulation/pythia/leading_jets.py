"""Samples of leading jets: collisions, detector, the jet in the window, its match to the truth."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np

from bunchtrain.simulation.pythia import layout
from bunchtrain.simulation.pythia.collisions import Collisions, hard_window
from bunchtrain.simulation.pythia.detector import simulate_detector
from bunchtrain.simulation.pythia.jets import leading_jets, matched_parton
from bunchtrain.simulation.pythia.processes import FIVE_CLASSES, QCD, TOP, Process, w_prime
from bunchtrain.simulation.pythia.recipe import Recipe
from bunchtrain.simulation.pythia.veto import LeadingJetVeto

ETA_MAX = 2.0


@dataclass(frozen=True)
class LeadingJets(Recipe):
    """The leading jet of each collision; radius and constituents of the jets."""

    detector: bool
    radius: float
    constituents: int

    @property
    def window(self) -> tuple[float, float]:
        """The jets' pT in GeV."""
        raise NotImplementedError

    def process(self, index: int) -> Process:
        """Return the process of a class."""
        raise NotImplementedError

    def hard_process_settings(self, index: int) -> tuple[str, ...]:
        """Return the settings of the window in p̂T of a class."""
        low, high = self.window
        return hard_window(0.6 * low, 1.6 * high)

    def add_label(self, jets: ak.Array, index: int) -> None:
        """Add the column of the class."""
        raise NotImplementedError

    def collisions(self, index: int, seed: int) -> Collisions:
        """Return collisions of a class."""
        veto = LeadingJetVeto(*self.window, self.radius, ETA_MAX) if self.has_veto(index) else None
        return Collisions(self.process(index), seed, *self.hard_process_settings(index), veto=veto)

    def has_veto(self, index: int) -> bool:
        """Return whether collisions without a parton jet near the window are dropped early."""
        return True

    def select(
        self, index: int, collisions: Collisions, rng: np.random.Generator, size: int
    ) -> ak.Array:
        """Return the selected jets of one batch of `size` collisions."""
        low, high = self.window
        events, particles, truth = collisions.batch(size)
        objects = simulate_detector(particles, rng) if self.detector else particles
        jets = leading_jets(
            objects, events, radius=self.radius, pt_min=low, constituents=self.constituents
        )
        quarks = {(): 0, (24,): 2, (6, 24): 3}[collisions.process.decays]
        jets["truth_pt"] = matched_parton(jets, truth, events, self.radius, quarks)
        self.add_label(jets, index)
        chosen = (jets.jet_pt < high) & (np.abs(jets.jet_eta) < ETA_MAX)
        return jets[chosen & (jets.truth_pt > 0)] if collisions.process.matched else jets[chosen]


@dataclass(frozen=True)
class TopJets(LeadingJets):
    """Tops and QCD jets in turn, with pT in GeV in a window."""

    pt_min: float
    pt_max: float
    fields = layout.BOOSTED_JETS
    classes = ("top", "qcd")

    @property
    def window(self) -> tuple[float, float]:
        """The jets' pT in GeV."""
        return self.pt_min, self.pt_max

    def process(self, index: int) -> Process:
        """Return the process of a class."""
        return (TOP, QCD)[index]

    def add_label(self, jets: ak.Array, index: int) -> None:
        """Add `is_top`."""
        jets["is_top"] = np.full(len(jets), index == 0)


@dataclass(frozen=True)
class BosonJets(TopJets):
    """W and QCD jets in turn, with pT in GeV in a window."""

    fields = layout.W_JETS
    classes = ("w", "qcd")

    def process(self, index: int) -> Process:
        """Return the process of a class."""
        return (w_prime(self.pt_min, self.pt_max), QCD)[index]

    def hard_process_settings(self, index: int) -> tuple[str, ...]:
        """Return the window in p̂T, none for a resonance."""
        return () if index == 0 else super().hard_process_settings(index)

    def has_veto(self, index: int) -> bool:
        """Return False for W′, whose decay products do not exist yet at the veto."""
        return index > 0

    def add_label(self, jets: ak.Array, index: int) -> None:
        """Add `is_w`."""
        jets["is_w"] = np.full(len(jets), index == 0)


@dataclass(frozen=True)
class FiveClassJets(LeadingJets):
    """Gluon, quark, W, Z and top jets in turn, from hard partons of one pT in GeV."""

    pt: float
    spread: float
    fields = layout.TRIGGER_JETS
    classes = tuple(FIVE_CLASSES)

    @property
    def window(self) -> tuple[float, float]:
        """The jets' pT in GeV."""
        return 0.8 * self.pt, 1.6 * self.pt

    def process(self, index: int) -> Process:
        """Return the process of a class."""
        return FIVE_CLASSES[self.classes[index]]

    def hard_process_settings(self, index: int) -> tuple[str, ...]:
        """Return the window in p̂T, and the energy of the published sample."""
        window = hard_window((1 - self.spread) * self.pt, (1 + self.spread) * self.pt)
        return "Beams:eCM = 13000.", *window

    def has_veto(self, index: int) -> bool:
        """Return False: the window is narrow, and a Z is invisible to the veto."""
        return False

    def add_label(self, jets: ak.Array, index: int) -> None:
        """Add `label`."""
        jets["label"] = np.full(len(jets), index)
