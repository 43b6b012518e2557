"""Definitions of energy and angle for hadron and e⁺e⁻ collisions (arXiv:1712.07124)."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from bunchtrain.physics.kinematics import around_axis, invariant_mass
from bunchtrain.physics.packed import Floats, Ints, sum_by_jet


class Measure(Protocol):
    """Energies of packed points, (points,), and the squares of the angles between them."""

    energy: Floats

    def __init__(self, momenta: Floats, lengths: Ints) -> None: ...

    def squared_angles(self, points: Ints) -> Floats:
        """Return θ² between the points of each jet: (jets, n, n) from their indices (jets, n)."""
        ...


class Hadronic:
    """The energy is pT in GeV, θ² = Δy² + Δφ²: invariant under boosts along the beam."""

    def __init__(self, momenta: Floats, lengths: Ints) -> None:
        self.energy, self.y, self.phi = around_axis(momenta, lengths)

    def squared_angles(self, points: Ints) -> Floats:
        """Return θ² between the points of each jet."""
        y, phi = self.y[points], self.phi[points]
        delta_y = y[:, :, None] - y[:, None, :]
        delta_phi = np.abs(phi[:, :, None] - phi[:, None, :])
        np.minimum(delta_phi, 2 * np.pi - delta_phi, out=delta_phi)
        return np.asarray(delta_y * delta_y + delta_phi * delta_phi)


class ElectronPositron:
    """The energy is E in GeV, θ² = 2 p_i·p_j / (E_i E_j): invariant under rotations.

    With the velocities v = p / E it is |v_i − v_j|² + (m_i / E_i)² + (m_j / E_j)², which does not
    cancel for collinear particles. A massive particle has an angle to itself.
    """

    def __init__(self, momenta: Floats, lengths: Ints) -> None:
        momenta = momenta.astype(np.float64)
        self.energy = momenta[:, 0]
        safe = np.where(self.energy > 0, self.energy, 1)
        self.velocity = momenta[:, 1:] / safe[:, None]
        self.mass2 = (invariant_mass(momenta) / safe) ** 2

    def squared_angles(self, points: Ints) -> Floats:
        """Return θ² between the points of each jet."""
        total = self.mass2[points][:, :, None] + self.mass2[points][:, None, :]
        for component in self.velocity.T:
            difference = component[points][:, :, None] - component[points][:, None, :]
            difference *= difference
            total += difference
        return np.asarray(total)


MEASURES: dict[str, type[Measure]] = {"hadronic": Hadronic, "e+e-": ElectronPositron}


def fractions(energy: Floats, lengths: Ints) -> Floats:
    """Return z_i, the fraction of the jet's energy of each point: (points,)."""
    total = sum_by_jet(energy, lengths)
    return np.asarray(energy / np.repeat(np.where(total > 0, total, 1), lengths))
