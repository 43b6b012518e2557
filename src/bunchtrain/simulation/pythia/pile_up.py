"""One part of a sample of QCD events with pile-up: soft collisions added to each hard one."""

from __future__ import annotations

from dataclasses import dataclass

import awkward as ak
import numpy as np

from bunchtrain.simulation.pythia import layout
from bunchtrain.simulation.pythia.calorimeter import log_normal
from bunchtrain.simulation.pythia.collisions import Collisions, Record, hard_bias, hard_window
from bunchtrain.simulation.pythia.detector import (
    ECAL,
    ELECTRON,
    HCAL,
    MUON,
    PHOTON,
    track_resolution,
    tracking_efficiency,
)
from bunchtrain.simulation.pythia.event_objects import NEUTRAL_HADRON, PHOTONS, kinds
from bunchtrain.simulation.pythia.jets import Jets
from bunchtrain.simulation.pythia.particles import Floats, Integers, Particles
from bunchtrain.simulation.pythia.processes import QCD, SOFT
from bunchtrain.simulation.pythia.recipe import Recipe

REACH = 3.0  # largest |η| of jets and of measured particles
POWER = 4.5  # of p̂T, by which hard collisions are favoured
INTERACTIONS = "PartonLevel:MPI = on"


class PileUp(Collisions):
    """Hard collisions with a pool of soft ones.

    particles  visible particles of the pool, one collision after the other.
    first      (collisions + 1,) index of the first particle of each.
    """

    def __init__(self, seed: int, pool: int, window: tuple[str, ...]) -> None:
        super().__init__(QCD, seed, INTERACTIONS, *window)
        record = Collisions(SOFT, seed + 1, INTERACTIONS).record(pool)
        self.particles = visible(record)
        size = np.bincount(self.particles.event, minlength=pool)
        self.first = np.concatenate([[0], np.cumsum(size)])

    def draw(self, counts: Integers, rng: np.random.Generator) -> Particles:
        """Return the particles of `counts` (events,) collisions for each event, at random."""
        chosen = rng.integers(0, len(self.first) - 1, int(counts.sum()))
        size = self.first[chosen + 1] - self.first[chosen]
        within = np.arange(size.sum()) - np.repeat(np.cumsum(size) - size, size)
        found = self.particles[np.repeat(self.first[chosen], size) + within]
        event = np.repeat(np.repeat(np.arange(len(counts)), counts), size)
        momentum = (found.px, found.py, found.pz, found.energy)
        return Particles(event, found.pid, found.charge, *momentum)


@dataclass(frozen=True)
class PileUpJets(Recipe):
    """Measured particles and true jets of hard collisions with pile-up; pT in GeV."""

    pile_up: float
    pt_min: float
    pt_max: float
    radius: float
    particle_pt: float
    pool: int
    fields = layout.PILE_UP_JETS
    classes = ("qcd",)

    def collisions(self, index: int, seed: int) -> Collisions:
        """Return dijets weighted towards large p̂T, with a pool of soft collisions."""
        return PileUp(seed, self.pool, (*hard_window(self.pt_min, self.pt_max), *hard_bias(POWER)))

    def select(
        self, index: int, collisions: Collisions, rng: np.random.Generator, size: int
    ) -> ak.Array:
        """Return a batch of `size` events."""
        assert isinstance(collisions, PileUp)
        record = collisions.record(size)
        hard = visible(record)
        jets, jet_of = self.true_jets(hard, record.events)
        counts = rng.poisson(self.pile_up, record.events)
        soft = collisions.draw(counts, rng)
        particles = self.measure(hard, soft, jet_of, rng)
        events = ak.unflatten(particles, np.bincount(particles["event"], minlength=record.events))
        events = events[ak.argsort(events.pt, axis=1, ascending=False, stable=True)]
        table = {"pile_up": counts, "weight": record.weight}
        table |= {f"jet_{name}": jets[name] for name in ("pt", "eta", "phi", "mass")}
        table["jet_visible_pt"] = sum_by_jet(events, ak.num(jets))
        names = [one for one in events.fields if one not in ("event", "pt")]
        table |= {f"particle_{name}": events[name] for name in names}
        return ak.zip(table, depth_limit=1)

    def true_jets(self, hard: Particles, events: int) -> tuple[ak.Array, Integers]:
        """Return the true jets, ordered in pT, and the index of the jet of each particle."""
        found = Jets(hard, events, self.radius, self.pt_min)
        jets = found.kinematics()
        order = ak.argsort(jets.pt, axis=1, ascending=False)
        order = order[np.abs(jets.eta[order]) < REACH]
        inside = found.constituents_of_jet[order]
        first = np.cumsum(ak.to_numpy(ak.num(found.cloud))) - ak.to_numpy(ak.num(found.cloud))
        rows = ak.to_numpy(ak.flatten(inside + first, axis=None)).astype(np.int64)
        index = ak.broadcast_arrays(ak.local_index(inside, axis=1), inside)[0]
        jet_of = np.full(len(hard.event), -1, np.int64)
        jet_of[rows] = ak.to_numpy(ak.flatten(index, axis=None))
        return jets[order], jet_of

    def measure(
        self, hard: Particles, soft: Particles, jet_of: Integers, rng: np.random.Generator
    ) -> ak.Array:
        """Return the measured particles of both, ordered by event, as records."""
        columns = []
        for particles, jet, vertex in ((hard, jet_of, 1), (soft, np.full(len(soft.event), -1), -1)):
            near = (np.abs(particles.eta) < REACH) & (particles.pt > 0.5 * self.particle_pt)
            particles, jet = particles[near], jet[near]
            measured, kind = measure(particles, rng)
            kept = measured.pt > self.particle_pt
            has_track = ~np.isin(kind, (NEUTRAL_HADRON, PHOTONS))
            found = {n: getattr(measured, n) for n in ("event", "pt", "px", "py", "pz", "energy")}
            found |= {"charge": np.where(has_track, particles.charge, 0), "kind": kind}
            found |= {"vertex": np.where(has_track, vertex, 0), "jet": jet}
            found["hard"] = np.full(len(kind), vertex == 1)
            columns.append(ak.zip(found)[kept])
        both = ak.concatenate(columns)
        return both[np.argsort(ak.to_numpy(both["event"]), kind="stable")]


def visible(record: Record) -> Particles:
    """Return the final particles other than neutrinos."""
    return record.particles[record.visible]


def measure(particles: Particles, rng: np.random.Generator) -> tuple[Particles, Integers]:
    """Return the particles with measured momenta, and their kinds as a detector identifies them.

    A charged particle without a track is a photon in the electromagnetic calorimeter or a neutral
    hadron; a muon without a track is lost, with momentum 0.
    """
    species = np.abs(particles.pid)
    has_track = rng.random(len(species)) < tracking_efficiency(particles)
    electromagnetic = np.isin(species, (PHOTON, ELECTRON))
    eta, energy = np.abs(particles.eta), particles.energy
    sigma = np.where(
        electromagnetic, ECAL.resolution(energy, eta), HCAL.resolution(energy, eta)
    )  # GeV
    sigma = np.where(has_track, track_resolution(particles) * energy, sigma)
    factor: Floats = log_normal(energy, sigma, rng) / np.maximum(energy, 1e-12)
    factor = np.where(~has_track & (species == MUON), 0.0, factor)
    without = np.where(electromagnetic, PHOTONS, NEUTRAL_HADRON)
    return particles.scale(factor), np.where(has_track, kinds(particles), without)


def sum_by_jet(events: ak.Array, jets: ak.Array) -> ak.Array:
    """Return the sum of the measured pT of the particles of each true jet, as lists."""
    counts = ak.to_numpy(jets)
    first = np.cumsum(counts) - counts
    own = events.jet >= 0
    row = ak.to_numpy(ak.flatten((events.jet + first)[own]))
    pt = ak.to_numpy(ak.flatten(events.pt[own]))
    return ak.unflatten(np.bincount(row, pt, minlength=int(counts.sum())), counts)
