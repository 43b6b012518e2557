"""One part of a sample of resonances that decay to tt̄, and of tt̄ without one."""

from __future__ import annotations

from dataclasses import dataclass, replace

import awkward as ak
import numpy as np
import pyarrow as pa

from bunchtrain.simulation.pythia import layout
from bunchtrain.simulation.pythia.collisions import Collisions, Record
from bunchtrain.simulation.pythia.particles import Floats
from bunchtrain.simulation.pythia.processes import TTBB, one_lepton, z_prime
from bunchtrain.simulation.pythia.recipe import Recipe

LEPTONS, NEUTRINOS, BOTTOM, W = (11, 13), (12, 14), 5, 24
#: No hadronisation: the quarks from the decays of tops and W represent the jets.
PARTONS = ("HadronLevel:all = off",)
LEPTON_PT, JET_PT, REACH = 25.0, 20.0, 2.5
#: Resolution of a jet, σ/pT = √(a²/pT + b²), pT in GeV; of a lepton and of p̸_T in GeV an axis.
JET_STOCHASTIC, JET_CONSTANT, LEPTON, MISSING = 0.8, 0.05, 0.01, 12.0


@dataclass(frozen=True)
class Resonances(Recipe):
    """Resonance and tt̄ in turn; part n holds the resonances of the n-th of the masses in turn."""

    masses: tuple[float, ...]
    fields = layout.RESONANCES
    classes = ("resonance", "ttbar")

    def __call__(self, part_index: int) -> pa.Table:
        """Return a part, which holds one mass."""
        one = replace(self, masses=(self.masses[part_index % len(self.masses)],))
        return Recipe.__call__(one, part_index)

    def collisions(self, index: int, seed: int) -> Collisions:
        """Return collisions of a class, with a lepton of either charge."""
        settings = TTBB if index else z_prime(self.masses[0])
        return Collisions(one_lepton(settings, 1 if seed % 2 else -1), seed, *PARTONS)

    def select(
        self, index: int, collisions: Collisions, rng: np.random.Generator, size: int
    ) -> ak.Array:
        """Return the selected events of a batch of `size` collisions."""
        events = detect(collisions.record(size), rng)
        events["is_signal"] = np.full(len(events), index == 0)
        events["mass"] = np.full(len(events), 0.0 if index else self.masses[0])
        chosen = (events.lepton_pt > LEPTON_PT) & (np.abs(events.lepton_eta) < REACH)
        inside = (events.jet_pt > JET_PT) & (np.abs(events.jet_eta) < REACH)
        return events[chosen & ak.all(inside, axis=1)]


def detect(record: Record, rng: np.random.Generator) -> ak.Array:
    """Return smeared lepton, missing pT and the four quarks of the events that have them all."""
    kinds = ("jet", "lepton", "neutrino")
    jets, lepton, neutrino = (_smear_decay_products(record, kind, rng) for kind in kinds)
    complete = (ak.num(jets.px) == 4) & (ak.num(lepton.px) == 1) & (ak.num(neutrino.px) == 1)
    jets, lepton, neutrino = (found[complete] for found in (jets, lepton[:, :1], neutrino[:, :1]))
    jets = jets[ak.argsort(np.hypot(jets.px, jets.py), axis=1, ascending=False)]
    missing = [
        ak.to_numpy(neutrino[axis][:, 0]) + rng.normal(0, MISSING, len(neutrino))
        for axis in ("px", "py")
    ]
    table = {f"jet_{name}": values for name, values in _kinematics(jets).items()}
    table |= {f"lepton_{name}": v[:, 0] for name, v in _kinematics(lepton).items()}
    table |= {"jet_is_b": jets.is_b, "missing_pt": np.hypot(*missing)}
    table["missing_phi"] = np.arctan2(missing[1], missing[0])
    return ak.zip(table, depth_limit=1)


def _kinematics(found: ak.Array) -> dict[str, ak.Array]:
    pt = np.hypot(found.px, found.py)
    return {"pt": pt, "eta": np.arcsinh(found.pz / pt), "phi": np.arctan2(found.py, found.px)}


def _smear_decay_products(record: Record, kind: str, rng: np.random.Generator) -> ak.Array:
    """Return the decay products of tops or W, (events, particles), with smeared momenta."""
    particles = record.particles
    pid, mother = np.abs(particles.pid), np.abs(particles.pid[record.mother])
    wanted = {
        "jet": ((pid < BOTTOM) & (mother == W)) | ((pid == BOTTOM) & (mother == 6)),
        "lepton": np.isin(pid, LEPTONS) & (mother == W),
        "neutrino": np.isin(pid, NEUTRINOS) & (mother == W),
    }[kind]
    found = particles[wanted & (np.abs(record.status) == 23)]
    factor = np.maximum(1 + _resolution(found.pt, kind) * rng.normal(size=len(found.pt)), 0.05)
    momenta = {axis: getattr(found, axis) * factor for axis in ("px", "py", "pz")}
    columns = momenta | {"is_b": np.abs(found.pid) == BOTTOM}
    counts = np.bincount(found.event, minlength=record.events)
    return ak.zip({name: ak.unflatten(values, counts) for name, values in columns.items()})


def _resolution(pt: Floats, kind: str) -> Floats:
    if kind == "jet":
        return np.sqrt(JET_STOCHASTIC**2 / np.maximum(pt, 1.0) + JET_CONSTANT**2)
    return np.full(len(pt), LEPTON if kind == "lepton" else 0.0)
