"""Tracks with impact parameters: helices from displaced vertices, measured with finite precision.

Resolutions are the Gaussians of the ATLAS inner detector (CERN-LHCC-97-16), without tails:
σ(d₀) = 11 μm ⊕ 73 μm GeV / (p sin^(3/2) θ), σ(z₀) = 87 μm ⊕ 115 μm GeV / (p sin^(5/2) θ).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from bunchtrain.simulation.pythia.calorimeter import log_normal
from bunchtrain.simulation.pythia.detector import (
    FIELD,
    TRACKER,
    track_resolution,
    tracking_efficiency,
)
from bunchtrain.simulation.pythia.particles import Floats, Integers, Particles

PT_MIN = 1.0  # GeV
FIRST_LAYER = 30.0  # mm; particles produced farther out leave too few hits
D0_MAX, Z0_MAX = 1.0, 1.5  # mm, of |d₀| and |z₀ sin θ|
SCATTERING, SAGITTA = (0.011, 0.087), (0.073, 0.115)  # mm and mm GeV, of d₀ and z₀


@dataclass(frozen=True)
class Tracks:
    """Tracks of many events, one after the other: every array is (tracks,); GeV, rad, mm.

    `particle` is the row of the particle that made the track.
    """

    event: Integers
    charge: Integers
    pt: Floats
    eta: Floats
    phi: Floats
    d0: Floats
    z0: Floats
    d0_error: Floats
    z0_error: Floats
    particle: Integers

    def __getitem__(self, chosen: Any) -> Tracks:
        return Tracks(**{name: value[chosen] for name, value in vars(self).items()})


def perigee(particles: Particles, vertex: Floats) -> tuple[Floats, Floats, Floats]:
    """Return d₀ and z₀ in mm and φ₀ at the point of the helix nearest to the beam line.

    `vertex` (particles, 3) holds the production vertices of the charged particles, in mm. With the
    radius of curvature R = pT / (0.3 B) and the centre C of the circle, d₀ = −q (|C| − R), and z₀
    is z at the vertex less the arc from the perigee times cot θ.
    """
    charge, pt, phi = particles.charge, particles.pt, particles.phi
    radius = 1000 * pt / (0.3 * FIELD)  # mm
    across = vertex[:, 0] + charge * radius * np.sin(phi)
    along = vertex[:, 1] - charge * radius * np.cos(phi)
    centre = np.hypot(across, along)
    start = np.arctan2(charge * across, -charge * along)
    turn = (start - phi + np.pi) % (2 * np.pi) - np.pi
    arc = charge * turn * radius
    return -charge * (centre - radius), vertex[:, 2] - arc * particles.pz / pt, start


def measure(particles: Particles, vertex: Floats, rng: np.random.Generator) -> Tracks:
    """Return the selected tracks of particles, with smeared parameters."""
    production_radius = np.hypot(vertex[:, 0], vertex[:, 1])
    found = (
        (particles.charge != 0)
        & (production_radius < FIRST_LAYER)
        & (np.abs(particles.eta) < TRACKER)
    )
    found &= rng.random(len(found)) < tracking_efficiency(particles)
    particles, vertex = particles[found], vertex[found]
    d0, z0, phi = perigee(particles, vertex)
    d0_error, z0_error = resolution(particles)
    pt = log_normal(particles.pt, track_resolution(particles) * particles.pt, rng)
    tracks = Tracks(
        particles.event,
        particles.charge,
        pt,
        particles.eta,
        phi,
        d0 + d0_error * rng.standard_normal(len(d0)),
        z0 + z0_error * rng.standard_normal(len(d0)),
        d0_error,
        z0_error,
        np.flatnonzero(found),
    )
    near = (np.abs(tracks.d0) < D0_MAX) & (np.abs(tracks.z0) / np.cosh(tracks.eta) < Z0_MAX)
    return tracks[near & (tracks.pt > PT_MIN)]


def resolution(particles: Particles) -> tuple[Floats, Floats]:
    """Return σ(d₀) and σ(z₀) in mm."""
    sine = 1 / np.cosh(particles.eta)
    slope = particles.pt * np.sqrt(sine)  # p sin^(3/2) θ
    d0 = np.hypot(SCATTERING[0], SAGITTA[0] / slope)
    return d0, np.hypot(SCATTERING[1], SAGITTA[1] / (slope * sine))
