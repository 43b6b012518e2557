"""Reconstructed objects of an event: isolated leptons, b-tagged jets, missing pT."""

from __future__ import annotations

import awkward as ak
import numpy as np

from bunchtrain.simulation.pythia.detector import ELECTRON, MUON, PHOTON
from bunchtrain.simulation.pythia.flavour import BEAUTY, CHARM
from bunchtrain.simulation.pythia.particles import Floats, Integers, Particles, delta_r

LEPTON_PT = 25.0  # GeV
ISOLATION, CONE = 0.15, 0.3  # of the pT of others within the cone, relative to the lepton's
#: Kinds of energy-flow objects.
NEUTRAL_HADRON, CHARGED_HADRON, PHOTONS, ELECTRONS, MUONS = range(5)


def by_event(particles: Particles, events: int) -> ak.Array:
    """Return pt, eta, phi, momentum, charge and kind of the objects of each event."""
    names = ("pt", "eta", "phi", "px", "py", "pz", "energy", "charge")
    columns = {name: getattr(particles, name) for name in names}
    columns["kind"] = kinds(particles)
    return ak.unflatten(ak.zip(columns), np.bincount(particles.event, minlength=events))


def kinds(particles: Particles) -> Integers:
    """Return the kind of each object as a detector identifies it, (particles,)."""
    size = np.abs(particles.pid)
    return np.select(
        [size == ELECTRON, size == MUON, size == PHOTON, particles.charge != 0],
        [ELECTRONS, MUONS, PHOTONS, CHARGED_HADRON],
        NEUTRAL_HADRON,
    )


def isolated_leptons(objects: ak.Array, reach: float = 2.5) -> ak.Array:
    """Return the electrons and muons above 25 GeV of each event that are isolated."""
    hard = (objects.kind >= ELECTRONS) & (objects.pt > LEPTON_PT) & (np.abs(objects.eta) < reach)
    leptons = objects[hard]
    pairs = ak.cartesian({"lepton": leptons, "other": objects}, nested=True)
    apart = delta_r(pairs.lepton.eta, pairs.lepton.phi, pairs.other.eta, pairs.other.phi)
    around = ak.sum(pairs.other.pt[apart < CONE], axis=2) - leptons.pt
    return leptons[around < ISOLATION * leptons.pt]


def remove_leptons(jets: ak.Array, leptons: ak.Array, radius: float) -> ak.Array:
    """Return the jets without a lepton within `radius`."""
    pairs = ak.cartesian({"jet": jets, "lepton": leptons}, nested=True)
    apart = delta_r(pairs.jet.eta, pairs.jet.phi, pairs.lepton.eta, pairs.lepton.phi)
    return jets[~ak.any(apart < radius, axis=2)]


def tag_probability(pt: Floats, flavour: Integers) -> Floats:
    """Return the probability of a b tag: (70 % for b) of the ATLAS card of Delphes (1307.6346).

    b: 0.8 tanh(0.003 pT) · 30 / (1 + 0.086 pT), c: 0.2 tanh(0.02 pT) / (1 + 0.0034 pT), light:
    0.002 + 7.3·10⁻⁶ pT, with pT in GeV.
    """
    beauty = 0.8 * np.tanh(0.003 * pt) * 30 / (1 + 0.086 * pt)
    charm = 0.2 * np.tanh(0.02 * pt) / (1 + 0.0034 * pt)
    return np.select([flavour == BEAUTY, flavour == CHARM], [beauty, charm], 0.002 + 7.3e-6 * pt)


def tag_jets(jets: ak.Array, rng: np.random.Generator) -> ak.Array:
    """Return jets of known flavour with a random `tag` of that flavour's probability."""
    flat = ak.flatten(jets)
    chance = tag_probability(ak.to_numpy(flat.pt), ak.to_numpy(flat.flavour))
    tag = ak.unflatten(rng.random(len(chance)) < chance, ak.num(jets))
    return ak.with_field(jets, tag, "tag")
