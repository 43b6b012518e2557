"""Jet shapes: how the transverse momentum is spread around the axis."""

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
    pt, rise, turn = around_axis(momenta, lengths)
    total = sum_by_jet(pt, lengths)
    share = pt / np.repeat(np.where(total > 0, total, 1), lengths)
    return sum_by_jet(share**kappa * (np.hypot(rise, turn) / radius) ** beta, lengths)


def planar_flow(momenta: Floats, lengths: Ints) -> Floats:
    """Return Pf = 4 det I / (tr I)² with I_kl = Σ pT Δ_k Δ_l, Δ = (y − y_jet, φ − φ_jet).

    0 for energy along a line, 1 for energy spread evenly: (jets,) (arXiv:0807.0234).
    """
    pt, rise, turn = around_axis(momenta, lengths)
    moments = np.stack([pt * rise * rise, pt * turn * turn, pt * rise * turn], axis=-1)
    across, along, mixed = sum_by_jet(moments, lengths).T
    trace = across + along
    safe = np.where(trace > 0, trace, 1)
    return np.asarray(4 * (across * along - mixed**2) / safe**2)


def mass_angularity(momenta: Floats, lengths: Ints, a: float = -2.0) -> Floats:
    """Return τ_a = Σ E_i sin^a θ_i (1 − cos θ_i)^(1−a) / m, θ_i to the axis: (jets,).

    0 for a jet without mass. With a = −2 it is the a₃ of W tagging (arXiv:0807.0234).
    """
    momenta = momenta.astype(np.float64)
    total = sum_by_jet(momenta, lengths)
    mass = invariant_mass(total)
    axis = np.repeat(total[:, 1:], lengths, axis=0)
    along = np.linalg.norm(momenta[:, 1:], axis=1) * np.linalg.norm(axis, axis=1)
    cosine = (momenta[:, 1:] * axis).sum(1) / np.where(along > 0, along, 1)
    away = np.maximum(1 - cosine, 0)
    # sin² θ = (1 − cos θ)(1 + cos θ): nothing is divided by at θ = 0
    spread = momenta[:, 0] * away ** (1 - a / 2) * np.maximum(1 + cosine, 1e-12) ** (a / 2)
    summed = sum_by_jet(spread, lengths)
    return np.where(mass > 0, summed, 0) / np.where(mass > 0, mass, 1)
