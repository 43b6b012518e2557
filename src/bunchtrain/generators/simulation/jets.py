"""The leading anti-kT jet of each event (arXiv:0802.1189, arXiv:1111.6097)."""

from __future__ import annotations

from functools import cache

import awkward as ak
import fastjet
import numpy as np
from numpy.typing import NDArray

from bunchtrain.generators.simulation.collisions import Truth
from bunchtrain.generators.simulation.particles import Floats, Particles, delta_r
from bunchtrain.generators.simulation.quiet import silence


def leading_jets(
    particles: Particles, events: int, *, radius: float, pt_min: float, constituents: int
) -> ak.Array:
    """Return the hardest jet above `pt_min` of each event that has one.

    The records hold `event`, `jet_pt`, `jet_eta`, `jet_phi`, `jet_mass` (GeV, rad) and, ordered
    in pT, the momenta and charges of the hardest constituents, `constituent_px`, ...
    """
    _greet_in_silence()
    size = np.bincount(particles.event, minlength=events)
    names = {"px": "px", "py": "py", "pz": "pz", "E": "energy", "pt": "pt", "charge": "charge"}
    columns = {name: getattr(particles, origin) for name, origin in names.items()}
    cloud = ak.unflatten(ak.zip(columns), size)
    momenta = ak.zip(
        {name: cloud[name] for name in ("px", "py", "pz", "E")}, with_name="Momentum4D"
    )
    clusters = fastjet.ClusterSequence(
        momenta, fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
    )
    jets = clusters.inclusive_jets(pt_min)
    some = ak.num(jets) > 0
    hardest = ak.argmax(jets.px**2 + jets.py**2, axis=1, keepdims=True)[some]
    members = ak.flatten(clusters.constituent_index(pt_min)[some][hardest])
    inside = cloud[some][members]
    inside = inside[ak.argsort(inside.pt, axis=1, ascending=False, stable=True)][:, :constituents]
    return _table(np.flatnonzero(ak.to_numpy(some)), ak.flatten(jets[some][hardest]), inside)


def _table(event: NDArray[np.int64], jet: ak.Array, inside: ak.Array) -> ak.Array:
    px, py, pz, energy = (ak.to_numpy(jet[name]) for name in ("px", "py", "pz", "E"))
    pt = np.hypot(px, py)
    table = {
        "event": event,
        "jet_pt": pt,
        "jet_eta": np.arcsinh(pz / pt),
        "jet_phi": np.arctan2(py, px),
        "jet_mass": np.sqrt(np.maximum(energy**2 - pt**2 - pz**2, 0.0)),
        "constituent_px": inside.px,
        "constituent_py": inside.py,
        "constituent_pz": inside.pz,
        "constituent_energy": inside.E,
        "constituent_charge": inside.charge,
    }
    return ak.zip(table, depth_limit=1)


def matched_parton(jets: ak.Array, truth: Truth, events: int, radius: float, quarks: int) -> Floats:
    """Return pT of the parton that lies in the jet with all quarks of its decay; 0 if none does.

    The particle that makes the class and its antiparticle are told apart by their sign.
    """
    eta, phi = np.full(events, np.inf), np.zeros(events)
    eta[jets.event], phi[jets.event] = jets.jet_eta, jets.jet_phi
    near = delta_r(truth.eta, truth.phi, eta[truth.event], phi[truth.event]) < radius
    slot = 2 * truth.event + (truth.sign > 0)
    contained = np.bincount(slot[near & ~truth.leading], minlength=2 * events) == quarks
    found = truth.leading & near & contained[slot]
    pt = np.zeros(events)
    np.maximum.at(pt, truth.event[found], truth.pt[found])
    return np.asarray(pt[ak.to_numpy(jets.event)])


@cache
def _greet_in_silence() -> None:
    """Let FastJet print its banner, once in a process, to nowhere."""
    with silence():
        one = ak.Array([{"px": 1.0, "py": 0.0, "pz": 0.0, "E": 1.0}], with_name="Momentum4D")
        definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
        fastjet.ClusterSequence(one, definition).inclusive_jets()
