"""Energy correlation functions and the ratios C₂ and D₂ (arXiv:1305.0007, arXiv:1409.6298)."""

from __future__ import annotations

import numpy as np

from bunchtrain.physics.measures import Hadronic, fractions
from bunchtrain.physics.packed import MEMORY, Floats, Ints, equal_multiplicity


def energy_correlators(
    momenta: Floats, lengths: Ints, beta: float = 1.0, memory: float = MEMORY
) -> Floats:
    """Return the normalised correlators e₂ and e₃ of every jet: (jets, 2).

    e₂ = Σ_{i<j} z_i z_j ΔR_ij^β and e₃ = Σ_{i<j<k} z_i z_j z_k (ΔR_ij ΔR_jk ΔR_ik)^β with
    z_i = pT_i / Σ pT. With the symmetric matrix A_ij = √(z_i z_j) ΔR_ij^β, e₃ = tr A³ / 6.
    `momenta` are (points, 4) as (E, px, py, pz) in GeV and `lengths` (jets,).
    """
    measured = Hadronic(momenta, lengths)
    share = fractions(measured.energy, lengths)
    values = np.zeros((len(lengths), 2))
    for rows, points in equal_multiplicity(lengths, lambda n: 40 * n * n, memory, least=2):
        theta = np.sqrt(measured.squared_angles(points)) ** beta  # (jets, particle, particle)
        z = share[points]
        values[rows, 0] = np.einsum("ja,jab,jb->j", z, theta, z, optimize=True) / 2
        root = np.sqrt(z)
        theta *= root[:, :, None] * root[:, None, :]
        values[rows, 1] = np.einsum("jab,jab->j", theta @ theta, theta) / 6
    return values


def ratios(correlators: Floats) -> tuple[Floats, Floats]:
    """Return C₂ = e₃ / e₂² and D₂ = e₃ / e₂³, 0 for jets of one particle: (jets,) each."""
    second, third = correlators.T
    safe = np.where(second > 0, second, 1)
    return third / safe**2, third / safe**3
