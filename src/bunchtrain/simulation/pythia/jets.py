"""Anti-kT jets of whole batches of events (arXiv:0802.1189, arXiv:1111.6097)."""

from __future__ import annotations

from functools import cache

import awkward as ak
import fastjet
import numpy as np
from numpy.typing import NDArray

from bunchtrain.simulation.pythia.collisions import Truth
from bunchtrain.simulation.pythia.particles import Floats, Particles, delta_r
from bunchtrain.simulation.pythia.stdout import suppress_stdout


class Jets:
    """The anti-kT jets above `pt_min` of a batch of events."""

    def __init__(self, particles: Particles, events: int, radius: float, pt_min: float) -> None:
        _suppress_banner()
        size = np.bincount(particles.event, minlength=events)
        names = {"px": "px", "py": "py", "pz": "pz", "E": "energy", "pt": "pt", "charge": "charge"}
        columns = {name: getattr(particles, origin) for name, origin in names.items()}
        self.cloud = ak.unflatten(ak.zip(columns), size)
        momenta = ak.zip(
            {name: self.cloud[name] for name in ("px", "py", "pz", "E")}, with_name="Momentum4D"
        )
        clusters = fastjet.ClusterSequence(
            momenta, fastjet.JetDefinition(fastjet.antikt_algorithm, radius)
        )
        self.momenta = clusters.inclusive_jets(pt_min)
        self.constituents_of_jet = clusters.constituent_index(pt_min)

    def kinematics(self) -> ak.Array:
        """Return pt, eta, phi and mass (GeV, rad) of all jets of each event."""
        px, py, pz, energy = (
            ak.to_numpy(ak.flatten(self.momenta[name])) for name in ("px", "py", "pz", "E")
        )
        return ak.unflatten(ak.zip(_kinematics(px, py, pz, energy)), ak.num(self.momenta))

    def table(self, events: NDArray[np.bool_], one: ak.Array, constituents: int) -> ak.Array:
        """Return one jet of each of these events; `one` holds its index in a list of length 1.

        The records hold `event`, `jet_pt`, `jet_eta`, `jet_phi`, `jet_mass` (GeV, rad) and,
        ordered in pT, the momenta and charges of the hardest constituents, `constituent_px`, ...
        """
        jet = ak.flatten(self.momenta[events][one])
        inside = self.cloud[events][ak.flatten(self.constituents_of_jet[events][one])]
        order = ak.argsort(inside.pt, axis=1, ascending=False, stable=True)
        inside = inside[order][:, :constituents]
        momentum = (ak.to_numpy(jet[name]) for name in ("px", "py", "pz", "E"))
        table: dict[str, ak.Array] = {"event": np.flatnonzero(events)}
        table |= {f"jet_{name}": value for name, value in _kinematics(*momentum).items()}
        names = {"px": "px", "py": "py", "pz": "pz", "energy": "E", "charge": "charge"}
        table |= {f"constituent_{name}": inside[origin] for name, origin in names.items()}
        return ak.zip(table, depth_limit=1)


def leading_jets(
    particles: Particles, events: int, *, radius: float, pt_min: float, constituents: int
) -> ak.Array:
    """Return the hardest jet above `pt_min` of each event that has one, as `Jets.table` does."""
    jets = Jets(particles, events, radius, pt_min)
    some = ak.num(jets.momenta) > 0
    momenta = jets.momenta[some]
    hardest = ak.argmax(momenta.px**2 + momenta.py**2, axis=1, keepdims=True)
    return jets.table(ak.to_numpy(some), hardest, constituents)


def _kinematics(px: Floats, py: Floats, pz: Floats, energy: Floats) -> dict[str, Floats]:
    pt = np.hypot(px, py)
    return {
        "pt": pt,
        "eta": np.arcsinh(pz / pt),
        "phi": np.arctan2(py, px),
        "mass": np.sqrt(np.maximum(energy**2 - pt**2 - pz**2, 0.0)),
    }


def matched_parton(jets: ak.Array, truth: Truth, events: int, radius: float, quarks: int) -> Floats:
    """Return pT of the parton that is contained in the jet with all quarks of its decay, else 0.

    The particle that defines the class and its antiparticle are distinguished by their sign.
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
def _suppress_banner() -> None:
    """Make FastJet print its banner, once per process, to the null device."""
    with suppress_stdout():
        one = ak.Array([{"px": 1.0, "py": 0.0, "pz": 0.0, "E": 1.0}], with_name="Momentum4D")
        definition = fastjet.JetDefinition(fastjet.antikt_algorithm, 0.4)
        fastjet.ClusterSequence(one, definition).inclusive_jets()
