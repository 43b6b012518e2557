"""Four-momenta (..., 4) as (E, px, py, pz): Minkowski products, boosts, kinematics, beams.

Boosts are computed in double precision: at high momenta, energies and masses in a rest frame are
small differences of large numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bunchtrain.networks.layers.packing import segment_ids

METRIC = (1.0, -1.0, -1.0, -1.0)
SMALLEST = 1e-6
SMALLEST_MASS2 = 1e-6  # lower bound of m² / p² of a frame: a massless one has no rest frame
SMALLEST_PAIR = 1e-8  # lower bound of pair features before the logarithm, as published


def minkowski(one: Tensor, other: Tensor) -> Tensor:
    """Return the Minkowski product E E' − p·p' of momenta (..., 4): (...)."""
    return (one * other * one.new_tensor(METRIC)).sum(-1)


def boost(momenta: Tensor, frames: Tensor) -> Tensor:
    """Return momenta (..., 4) in the rest frames of the momenta `frames` (..., 4).

    With β = f / E_f and γ = E_f / m_f: E' = γ (E − β·p), p' = p + (γ² / (γ + 1) β·p − γ E) β.
    A frame of zero energy leaves the momenta unchanged; γ is limited to 1000.
    """
    energy, three = momenta[..., :1], momenta[..., 1:]
    size2 = frames[..., 1:].square().sum(-1, keepdim=True)
    mass2 = torch.maximum(frames[..., :1].square() - size2, SMALLEST_MASS2 * size2)
    mass2 = mass2.clamp(min=SMALLEST**2)
    frame_energy = (mass2 + size2).sqrt()
    beta, gamma = frames[..., 1:] / frame_energy, frame_energy * mass2.rsqrt()
    parallel = (beta * three).sum(-1, keepdim=True)
    shift = gamma.square() / (gamma + 1) * parallel - gamma * energy
    return torch.cat([gamma * (energy - parallel), three + shift * beta], -1)


def kinematics(momenta: Tensor, dtype: torch.dtype) -> Tensor:
    """Return ln E, ln pT, ln m, η and φ of momenta (..., 4), in this precision: (..., 5)."""
    energy, three = momenta[..., 0], momenta[..., 1:]
    pt2 = three[..., :2].square().sum(-1) + SMALLEST
    mass2 = (energy.square() - three.square().sum(-1)).clamp(min=SMALLEST)
    positive = torch.stack([energy.clamp(min=SMALLEST).square(), pt2, mass2], -1).to(dtype)
    eta = (three[..., 2] / pt2.sqrt()).to(dtype).asinh()
    transverse = three[..., :2].to(dtype)
    phi = torch.atan2(transverse[..., 1], transverse[..., 0] + SMALLEST)
    return torch.cat([positive.log() / 2, torch.stack([eta, phi], -1)], -1)


def add_beams(momenta: Tensor, lengths: Tensor, mass: float = 0.0) -> tuple[Tensor, Tensor, Tensor]:
    """Return momenta, lengths and the mask of beams after adding two beams (E, 0, 0, ±1) per jet.

    momenta (points, 4), lengths (batch,); the beams, of this mass in GeV, follow the particles of
    their jet.
    """
    energy = (1.0 + mass**2) ** 0.5
    beam = momenta.new_tensor([[energy, 0.0, 0.0, 1.0], [energy, 0.0, 0.0, -1.0]])
    batch, points = lengths.shape[0], momenta.shape[0]
    jets = torch.arange(batch, device=lengths.device)
    jet = torch.cat([segment_ids(lengths, points), jets, jets])
    beams = torch.cat([beam[:1].expand(batch, 4), beam[1:].expand(batch, 4)])
    index = torch.arange(points + 2 * batch, device=jet.device)
    order = (jet * index.shape[0] + index).argsort()
    return torch.cat([momenta, beams])[order], lengths + 2, order >= points


def polar(momenta: Tensor) -> Tensor:
    """Return pT, rapidity, azimuth and m²: (points, 4) from (E, px, py, pz) in GeV.

    E² − p² is computed in double precision; y = ± ln((E + |pz|) / mT).
    """
    energy, px, py, pz = momenta.double().unbind(-1)
    pt2 = px.square() + py.square()
    mass2 = (energy.square() - pt2 - pz.square()).clamp(min=0)
    transverse_mass = (pt2 + mass2).sqrt().clamp(min=SMALLEST_PAIR)
    rapidity = pz.sign() * ((energy + pz.abs()).clamp(min=SMALLEST_PAIR) / transverse_mass).log()
    azimuth = torch.atan2(momenta[..., 2], momenta[..., 1])
    exact = torch.stack([pt2.sqrt(), rapidity, mass2], -1).to(momenta.dtype)
    return torch.stack([exact[..., 0], exact[..., 1], azimuth, exact[..., 2]], -1)


def pair_features(one: Tensor, other: Tensor) -> Tensor:
    """Return ln kT, ln z, ln ΔR and ln m² of pairs: (..., 4) from two polar (..., 4).

    The features of arXiv:2202.03772, each at least ln 1e-8.

    kT = min(pT) ΔR, z = min(pT) / (pTₐ + pT_b), ΔR² = Δy² + Δφ², and the mass as a sum of
    non-negative terms, with mT² = pT² + m², so that nothing cancels:
    m² = mₐ² + m_b² + 2 (mTₐ mT_b − pTₐ pT_b) + 4 mTₐ mT_b sinh²(Δy/2) + 4 pTₐ pT_b sin²(Δφ/2).
    """
    (pt, y, phi, m2), (pt_b, y_b, phi_b, m2_b) = one.unbind(-1), other.unbind(-1)
    least, delta_y = torch.minimum(pt, pt_b), y - y_b
    delta_phi = torch.remainder(phi - phi_b + torch.pi, 2 * torch.pi) - torch.pi
    distance = (delta_y.square() + delta_phi.square()).sqrt()
    pts, masses = pt * pt_b, ((pt.square() + m2) * (pt_b.square() + m2_b)).sqrt()
    excess = m2 * pt_b.square() + m2_b * pt.square() + m2 * m2_b
    excess = excess / (masses + pts).clamp(SMALLEST_PAIR)
    opening = masses * (delta_y / 2).sinh().square() + pts * (delta_phi / 2).sin().square()
    mass2 = m2 + m2_b + 2 * excess + 4 * opening
    share = least / (pt + pt_b).clamp(min=SMALLEST_PAIR)
    features = torch.stack([least * distance, share, distance, mass2], -1)
    return features.clamp(min=SMALLEST_PAIR).log()
