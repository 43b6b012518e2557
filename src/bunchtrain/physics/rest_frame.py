"""Shapes of a jet in its rest frame: Fox–Wolfram moments, aplanarity (arXiv:1112.2567)."""

from __future__ import annotations

import numpy as np

from bunchtrain.physics.kinematics import invariant_mass
from bunchtrain.physics.packed import Floats, Ints, sum_by_jet


def at_rest(momenta: Floats, lengths: Ints) -> Floats:
    """Return the momenta (points, 4) in the rest frame of their jet; zeros for a massless jet.

    With the jet's P and M: E′ = (E P⁰ − p·P) / M, p′ = p − P (E + E′) / (P⁰ + M).
    """
    momenta = momenta.astype(np.float64)
    total = sum_by_jet(momenta, lengths)
    mass = invariant_mass(total)
    heavy = mass > 1e-6 * total[:, 0]  # below it is rounding
    safe = np.repeat(np.where(heavy, mass, 1), lengths)
    whole = np.repeat(total, lengths, axis=0)
    energy = (momenta[:, 0] * whole[:, 0] - (momenta[:, 1:] * whole[:, 1:]).sum(1)) / safe
    push = (momenta[:, 0] + energy) / (whole[:, 0] + safe)
    rest = np.column_stack([energy, momenta[:, 1:] - whole[:, 1:] * push[:, None]])
    return np.where(np.repeat(heavy, lengths)[:, None], rest, 0)


def fox_wolfram_ratio(momenta: Floats, lengths: Ints) -> Floats:
    """Return R₂ = H₂ / H₀ in the rest frame, H_l = Σ_ij |p_i| |p_j| P_l(cos θ_ij): (jets,).

    1 for two back-to-back particles, 0 for an even sphere. With the tensor T = Σ p pᵀ / |p| it is
    (3 tr T² / (Σ |p|)² − 1) / 2, which costs no sum over pairs.
    """
    vectors = at_rest(momenta, lengths)[:, 1:]
    length = np.linalg.norm(vectors, axis=1)
    whole = sum_by_jet(length, lengths)
    tensor = _tensor(vectors, 1 / np.where(length > 0, length, 1), lengths)
    ratio = (3 * (tensor**2).sum((1, 2)) / np.where(whole > 0, whole, 1) ** 2 - 1) / 2
    return np.where(whole > 0, ratio, 0)


def aplanarity(momenta: Floats, lengths: Ints) -> Floats:
    """Return A = 3/2 λ₃ in the rest frame: (jets,), from 0 in a plane to ½ for an even sphere.

    λ₃ is the least eigenvalue of the sphericity tensor Σ p_a p_b / Σ p².
    """
    vectors = at_rest(momenta, lengths)[:, 1:]
    tensor = _tensor(vectors, np.ones(len(vectors)), lengths)
    trace = np.trace(tensor, axis1=1, axis2=2)
    least = np.linalg.eigvalsh(tensor)[:, 0] / np.where(trace > 0, trace, 1)
    return np.asarray(1.5 * np.maximum(least, 0))


def _tensor(vectors: Floats, weight: Floats, lengths: Ints) -> Floats:
    """Return Σ w p_a p_b of every jet: (jets, 3, 3)."""
    return sum_by_jet(weight[:, None, None] * vectors[:, :, None] * vectors[:, None, :], lengths)
