"""Calorimeters as grids of towers, filled for a batch of events."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from bunchtrain.simulation.pythia.particles import Floats, Integers, Particles


@dataclass(frozen=True)
class Calorimeter:
    """A grid of towers in (η, φ) with its resolution σ(E, |η|) and thresholds, in GeV."""

    eta_edges: Floats
    phi_towers: int
    resolution: Callable[[Floats, Floats], Floats]
    energy_min: float
    pid: int
    significance_min: float = 2.0

    def towers(self, event: Integers, eta: Floats, phi: Floats) -> Integers:
        """Return the tower index, unique over the batch; −1 outside the acceptance."""
        row = np.searchsorted(self.eta_edges, eta, side="right") - 1
        rows = len(self.eta_edges) - 1
        column = np.floor((phi / (2 * np.pi)) % 1.0 * self.phi_towers).astype(np.int64)
        index = (event * rows + row) * self.phi_towers + np.minimum(column, self.phi_towers - 1)
        return np.where((row >= 0) & (row < rows), index, -1)

    def centre(self, tower: Integers) -> Floats:
        """Return η of the middle of the towers."""
        row = tower // self.phi_towers % (len(self.eta_edges) - 1)
        return (self.eta_edges[row] + self.eta_edges[row + 1]) / 2

    def draw_position(self, tower: Integers, rng: np.random.Generator) -> tuple[Floats, Floats]:
        """Return a random (η, φ) within each tower."""
        row = tower // self.phi_towers % (len(self.eta_edges) - 1)
        eta = rng.uniform(self.eta_edges[row], self.eta_edges[row + 1])
        phi = 2 * np.pi / self.phi_towers * (tower % self.phi_towers + rng.random(len(tower)))
        return eta, (phi + np.pi) % (2 * np.pi) - np.pi


def log_normal(mean: Floats, sigma: Floats, rng: np.random.Generator) -> Floats:
    """Return positive numbers of this mean and standard deviation, log-normally distributed."""
    width = np.sqrt(np.log1p((sigma / np.maximum(mean, 1e-12)) ** 2))
    return np.asarray(mean * np.exp(width * rng.standard_normal(len(mean)) - width**2 / 2))


def energy_flow(
    calorimeter: Calorimeter,
    deposits: tuple[Integers, Floats],
    tracks: tuple[Integers, Floats, Floats],
    rng: np.random.Generator,
) -> tuple[Particles, Floats]:
    """Return the neutral energy in excess of the tracks, and a scale factor for each track.

    `deposits` are the towers and energies of all particles, `tracks` the towers, energies and
    relative resolutions of the tracks that belong to this calorimeter. Where the excess of the
    tower over its tracks is significant it becomes a neutral; elsewhere the tracks are scaled to
    the mean of both measurements, weighted by their precision (arXiv:1307.6346, section 3.4).
    """
    tower, index = np.unique(np.concatenate([deposits[0], tracks[0]]), return_inverse=True)
    hit, track = index[: len(deposits[0])], index[len(deposits[0]) :]
    size = len(tower)
    eta = np.abs(calorimeter.centre(tower))
    true = _sum(hit, deposits[1], size)
    energy = log_normal(true, calorimeter.resolution(true, eta), rng)
    sigma = calorimeter.resolution(energy, eta)
    measured = (energy > calorimeter.energy_min) & (energy > calorimeter.significance_min * sigma)
    energy = np.where(measured, energy, 0.0)
    track_energy = _sum(track, tracks[1], size)
    track_variance = _sum(track, (tracks[1] * tracks[2]) ** 2, size)
    excess = energy - track_energy
    neutral = (excess > calorimeter.energy_min) & (
        excess > calorimeter.significance_min * np.sqrt(track_variance + sigma**2)
    )
    factor = np.where(
        neutral, 1.0, _track_scale_factor(track_energy, track_variance, energy, sigma**2)
    )
    return _neutrals(calorimeter, tower[neutral], excess[neutral], rng), factor[track]


def _sum(tower: Integers, values: Floats, size: int) -> Floats:
    return np.bincount(tower, values, size).astype(np.float64)


def _track_scale_factor(
    tracks: Floats, tracks_variance: Floats, tower: Floats, variance: Floats
) -> Floats:
    """Return the weighted mean of both measurements over that of the tracks.

    (E_t/V_t + E_c/V_c) / (1/V_t + 1/V_c) / E_t = (V_c + V_t E_c/E_t) / (V_c + V_t)
    """
    ratio = tower / np.maximum(tracks, 1e-12)
    total = np.maximum(variance + tracks_variance, 1e-12)
    return np.asarray((variance + tracks_variance * ratio) / total)


def _neutrals(
    calorimeter: Calorimeter, tower: Integers, energy: Floats, rng: np.random.Generator
) -> Particles:
    eta, phi = calorimeter.draw_position(tower, rng)
    event = tower // (calorimeter.phi_towers * (len(calorimeter.eta_edges) - 1))
    pt = energy / np.cosh(eta)
    pid = np.full(len(tower), calorimeter.pid)
    momentum = (pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta), energy)
    return Particles(event, pid, np.zeros_like(tower), *momentum)
