"""Jet shapes: spread of the momentum around the axis, and event shapes in the jet rest frame."""

from __future__ import annotations

import numpy as np

from bunchtrain.physics.kinematics import around_axis, invariant_mass
from bunchtrain.physics.packed import Floats, Ints, sum_by_jet


def dispersion(pt: Floats, lengths: Ints) -> Floats:
    """Return pT^D = √(Σ pT²) / Σ pT, 1 for a single particle: (jets,) (CMS-PAS-JME-13-002)."""
    total = sum_by_jet(pt, lengths)
    return np.sqrt(sum_by_jet(pt * pt, lengths)) / np.where(total > 0, total, 1)


def angularity(
    momenta: Floats, lengths: Ints, beta: float = 1.0, kappa: float = 1.0, radius: float = 0.8
) -> Floats:
    """Return λ = Σ z_i^κ (ΔR_i / R₀)^β with z_i = pT_i / Σ pT: (jets,) (arXiv:1408.3122).

    κ = 1: β = 1 is the girth or width, β = ½ the Les Houches angularity, β = 2 the thrust.
    """
    pt, delta_y, delta_phi = around_axis(momenta, lengths)
    total = sum_by_jet(pt, lengths)
    share = pt / np.repeat(np.where(total > 0, total, 1), lengths)
    return sum_by_jet(share**kappa * (np.hypot(delta_y, delta_phi) / radius) ** beta, lengths)


def planar_flow(momenta: Floats, lengths: Ints) -> Floats:
    """Return Pf = 4 det I / (tr I)² with I_kl = Σ pT Δ_k Δ_l, Δ = (y − y_jet, φ − φ_jet).

    0 for energy along a line, 1 for an isotropic distribution: (jets,) (arXiv:0807.0234).
    """
    pt, delta_y, delta_phi = around_axis(momenta, lengths)
    moments = np.stack(
        [pt * delta_y * delta_y, pt * delta_phi * delta_phi, pt * delta_y * delta_phi], axis=-1
    )
    yy, phiphi, yphi = sum_by_jet(moments, lengths).T
    trace = yy + phiphi
    safe = np.where(trace > 0, trace, 1)
    return np.asarray(4 * (yy * phiphi - yphi**2) / safe**2)


def mass_angularity(momenta: Floats, lengths: Ints, a: float = -2.0) -> Floats:
    """Return τ_a = Σ E_i sin^a θ_i (1 − cos θ_i)^(1−a) / m, θ_i to the axis: (jets,).

    0 for a massless jet. With a = −2 it is the a₃ of W tagging (arXiv:0807.0234).
    """
    momenta = momenta.astype(np.float64)
    total = sum_by_jet(momenta, lengths)
    mass = invariant_mass(total)
    axis = np.repeat(total[:, 1:], lengths, axis=0)
    along = np.linalg.norm(momenta[:, 1:], axis=1) * np.linalg.norm(axis, axis=1)
    cosine = (momenta[:, 1:] * axis).sum(1) / np.where(along > 0, along, 1)
    away = np.maximum(1 - cosine, 0)
    # sin² θ = (1 − cos θ)(1 + cos θ) avoids a division by 0 at θ = 0
    spread = momenta[:, 0] * away ** (1 - a / 2) * np.maximum(1 + cosine, 1e-12) ** (a / 2)
    summed = sum_by_jet(spread, lengths)
    return np.where(mass > 0, summed, 0) / np.where(mass > 0, mass, 1)


def boost_to_rest_frame(momenta: Floats, lengths: Ints) -> Floats:
    """Return the momenta (points, 4) in the rest frame of their jet; zeros for a massless jet.

    With P and M of the jet: E′ = (E P⁰ − p·P) / M, p′ = p − P (E + E′) / (P⁰ + M).
    """
    momenta = momenta.astype(np.float64)
    total = sum_by_jet(momenta, lengths)
    mass = invariant_mass(total)
    heavy = mass > 1e-6 * total[:, 0]  # below, the mass is rounding
    safe = np.repeat(np.where(heavy, mass, 1), lengths)
    jet = np.repeat(total, lengths, axis=0)
    energy = (momenta[:, 0] * jet[:, 0] - (momenta[:, 1:] * jet[:, 1:]).sum(1)) / safe
    factor = (momenta[:, 0] + energy) / (jet[:, 0] + safe)
    rest = np.column_stack([energy, momenta[:, 1:] - jet[:, 1:] * factor[:, None]])
    return np.where(np.repeat(heavy, lengths)[:, None], rest, 0)


def fox_wolfram_ratio(momenta: Floats, lengths: Ints) -> Floats:
    """Return R₂ = H₂ / H₀ in the rest frame, H_l = Σ_ij |p_i| |p_j| P_l(cos θ_ij): (jets,).

    1 for two back-to-back particles, 0 for an isotropic distribution (arXiv:1112.2567). With the
    tensor T = Σ p pᵀ / |p| it is (3 tr T² / (Σ |p|)² − 1) / 2, without a sum over pairs.
    """
    vectors = boost_to_rest_frame(momenta, lengths)[:, 1:]
    length = np.linalg.norm(vectors, axis=1)
    total = sum_by_jet(length, lengths)
    tensor = _tensor(vectors, 1 / np.where(length > 0, length, 1), lengths)
    ratio = (3 * (tensor**2).sum((1, 2)) / np.where(total > 0, total, 1) ** 2 - 1) / 2
    return np.where(total > 0, ratio, 0)


def aplanarity(momenta: Floats, lengths: Ints) -> Floats:
    """Return A = 3/2 λ₃ in the rest frame, from 0 in a plane to ½ if isotropic: (jets,).

    λ₃ is the smallest eigenvalue of the sphericity tensor Σ p_a p_b / Σ p².
    """
    vectors = boost_to_rest_frame(momenta, lengths)[:, 1:]
    tensor = _tensor(vectors, np.ones(len(vectors)), lengths)
    trace = np.trace(tensor, axis1=1, axis2=2)
    least = np.linalg.eigvalsh(tensor)[:, 0] / np.where(trace > 0, trace, 1)
    return np.asarray(1.5 * np.maximum(least, 0))


def _tensor(vectors: Floats, weight: Floats, lengths: Ints) -> Floats:
    """Return Σ w p_a p_b of every jet: (jets, 3, 3)."""
    return sum_by_jet(weight[:, None, None] * vectors[:, :, None] * vectors[:, None, :], lengths)
