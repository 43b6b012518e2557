"""Response of a general-purpose detector, following the ATLAS card of Delphes.

Tracking efficiency and resolution, bending in a field of 2 T, electromagnetic and hadronic towers
and energy flow follow the formulas of the card (arXiv:1307.6346). Left out: the calorimeter
beyond |η| = 3, displaced production points, and the identification of isolated leptons.
"""

from __future__ import annotations

import numpy as np

from bunchtrain.simulation.pythia.calorimeter import Calorimeter, energy_flow, log_normal
from bunchtrain.simulation.pythia.particles import Floats, Particles, merge

FIELD = 2.0  # T
RADIUS, HALF_LENGTH = 1.15, 3.51  # m
ELECTRON, MUON, PHOTON, NEUTRAL_HADRON = 11, 13, 22, 0
BARREL, TRACKER = 1.5, 2.5

ECAL = Calorimeter(
    np.arange(-172.0, 173.0) * 0.0174,
    360,
    lambda energy, eta: np.sqrt(0.0017**2 * energy**2 + 0.101**2 * energy),
    energy_min=0.5,
    pid=PHOTON,
)
HCAL = Calorimeter(
    np.arange(-30.0, 31.0) * 0.1,
    36,
    lambda energy, eta: np.where(
        eta <= 1.7,
        np.sqrt(0.0302**2 * energy**2 + 0.5205**2 * energy + 1.59**2),
        np.sqrt(0.05**2 * energy**2 + 0.706**2 * energy),
    ),
    energy_min=1.0,
    pid=NEUTRAL_HADRON,
)


def simulate_detector(particles: Particles, rng: np.random.Generator) -> Particles:
    """Return the energy-flow objects: tracks, photons (pid 22) and neutral hadrons (pid 0)."""
    particles = particles[(particles.pt > 1e-3) & (np.abs(particles.eta) < 6)]
    eta, phi = exit_point(particles)
    found = rng.random(len(eta)) < tracking_efficiency(particles)
    relative = track_resolution(particles[found])
    true_pt = particles.pt[found]
    tracks = particles[found].scale(log_normal(true_pt, relative * true_pt, rng) / true_pt)
    kind = np.abs(particles.pid)
    electromagnetic = (kind == PHOTON) | (kind == ELECTRON)
    neutrals, factor = [], np.ones(len(relative))
    for calorimeter, stops in ((ECAL, electromagnetic), (HCAL, ~electromagnetic & (kind != MUON))):
        tower = calorimeter.towers(particles.event, eta, phi)
        stops = stops & (tower >= 0)
        here = stops[found]
        rest, scale = energy_flow(
            calorimeter,
            (tower[stops], particles.energy[stops]),
            (tower[found][here], tracks.energy[here], relative[here]),
            rng,
        )
        factor[here] = scale
        neutrals.append(rest)
    return merge(tracks.scale(factor), *neutrals)


def exit_point(particles: Particles) -> tuple[Floats, Floats]:
    """Return (η, φ) at which the particles leave the tracker.

    A charge q turns by α around a circle of radius R = pT / (0.3 q B); it leaves at the barrel,
    sin(α/2) = r / 2R, or at the end cap, α = pT z / (pz R), whichever comes first.
    """
    pt, pz = np.maximum(particles.pt, 1e-9), particles.pz
    bend = pt / (0.3 * FIELD)  # radius of curvature in m
    to_end = HALF_LENGTH * pt / np.maximum(np.abs(pz), 1e-9)  # length of the arc in m
    straight = np.minimum(RADIUS, to_end)
    reach = np.minimum(RADIUS / (2 * bend), 1.0)
    to_barrel = np.where(2 * bend > RADIUS, 2 * np.arcsin(reach), np.inf)
    turn = np.minimum(to_barrel, to_end / bend)
    charged = particles.charge != 0
    distance = np.where(charged, 2 * bend * np.abs(np.sin(turn / 2)), straight)
    arc = np.where(charged, bend * turn, straight)
    eta = np.arcsinh(pz / pt * arc / np.maximum(distance, 1e-6))
    return eta, particles.phi - np.where(charged, particles.charge * turn / 2, 0.0)


def _by_region(eta: Floats, barrel: Floats, end_cap: Floats) -> Floats:
    return np.where(eta <= BARREL, barrel, np.where(eta <= TRACKER, end_cap, 0.0))


def tracking_efficiency(particles: Particles) -> Floats:
    """Return the probability that a charged particle becomes a track; 0 for neutrals."""
    pt, eta, kind = particles.pt, np.abs(particles.eta), np.abs(particles.pid)
    slow = pt <= 1.0
    hadron = _by_region(eta, np.where(slow, 0.70, 0.95), np.where(slow, 0.60, 0.85))
    hard = pt > 100.0
    electron = _by_region(
        eta,
        np.where(slow, 0.73, np.where(hard, 0.99, 0.95)),
        np.where(slow, 0.50, np.where(hard, 0.90, 0.83)),
    )
    muon = _by_region(eta, np.where(slow, 0.75, 0.99), np.where(slow, 0.70, 0.98))
    efficiency = np.select([kind == ELECTRON, kind == MUON], [electron, muon], hadron)
    return np.where((particles.charge != 0) & (pt > 0.1), efficiency, 0.0)


def track_resolution(particles: Particles) -> Floats:
    """Return σ(pT)/pT = √(a² + b² pT²), at most 1, with a and b by species and |η|."""
    region = np.searchsorted([0.5, 1.5], np.abs(particles.eta))
    species = np.select(
        [np.abs(particles.pid) == ELECTRON, np.abs(particles.pid) == MUON], [1, 2], 0
    )
    constant = np.array([[0.06, 0.10, 0.25], [0.03, 0.05, 0.15], [0.010, 0.015, 0.025]])
    slope = np.array([[1.3e-3, 1.7e-3, 3.1e-3], [1.3e-3, 1.7e-3, 3.1e-3], [1e-4, 1.5e-4, 3.5e-4]])
    width = np.hypot(constant[species, region], slope[species, region] * particles.pt)
    return np.asarray(np.minimum(width, 1.0))
