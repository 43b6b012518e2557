"""Pairs of particles of the same jet, and what is known of them from their four-momenta."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from bunchtrain.networks.layers.packing import Bucket

SMALLEST = 1e-8  # below it the logarithms stop, as in the published network


@dataclass(frozen=True)
class Pairs:
    """The unordered pairs (i ≥ j) of a bucket's jets, a particle with itself included.

    first, second  (pairs,) numbers of the packed points.
    place, mirror  (pairs,) where (i, j) and (j, i) lie in a flat (jets, slots, slots) table.
    """

    first: Tensor
    second: Tensor
    place: Tensor
    mirror: Tensor


def pairs_of(bucket: Bucket) -> Pairs:
    """Return the pairs of points of every jet of a bucket."""
    slots = bucket.real.shape[1]
    i, j = torch.tril_indices(slots, slots, device=bucket.real.device)
    jet, pair = bucket.real[:, i].nonzero(as_tuple=True)
    i, j, begin = i[pair], j[pair], jet * slots * slots
    place, mirror = begin + i * slots + j, begin + j * slots + i
    return Pairs(bucket.points[jet, i], bucket.points[jet, j], place, mirror)


def polar(momenta: Tensor) -> Tensor:
    """Return pT, rapidity, azimuth and m²: (points, 4) from (E, px, py, pz) in GeV.

    In double precision where E² − p² is a small difference; y = ± ln((E + |pz|) / mT).
    """
    energy, px, py, pz = momenta.double().unbind(-1)
    pt2 = px.square() + py.square()
    mass2 = (energy.square() - pt2 - pz.square()).clamp(min=0)
    heavy = (pt2 + mass2).sqrt().clamp(min=SMALLEST)
    rapidity = pz.sign() * ((energy + pz.abs()).clamp(min=SMALLEST) / heavy).log()
    azimuth = torch.atan2(momenta[..., 2], momenta[..., 1])
    exact = torch.stack([pt2.sqrt(), rapidity, mass2], -1).to(momenta.dtype)
    return torch.stack([exact[..., 0], exact[..., 1], azimuth, exact[..., 2]], -1)


def pair_features(one: Tensor, other: Tensor) -> Tensor:
    """Return ln kT, ln z, ln ΔR and ln m² of pairs: (..., 4) from two polar (..., 4).

    The features of arXiv:2202.03772, each at least ln 1e-8.

    kT = min(pT) ΔR, z = min(pT) / (pTₐ + pT_b), ΔR² = Δy² + Δφ², and the mass as a sum of terms
    that are not negative, with mT² = pT² + m², so that nothing cancels:
    m² = mₐ² + m_b² + 2 (mTₐ mT_b − pTₐ pT_b) + 4 mTₐ mT_b sinh²(Δy/2) + 4 pTₐ pT_b sin²(Δφ/2).
    """
    (pt, y, phi, m2), (pt_b, y_b, phi_b, m2_b) = one.unbind(-1), other.unbind(-1)
    least, apart = torch.minimum(pt, pt_b), y - y_b
    turn = torch.remainder(phi - phi_b + torch.pi, 2 * torch.pi) - torch.pi
    distance = (apart.square() + turn.square()).sqrt()
    flat, heavy = pt * pt_b, ((pt.square() + m2) * (pt_b.square() + m2_b)).sqrt()
    excess = (m2 * pt_b.square() + m2_b * pt.square() + m2 * m2_b) / (heavy + flat).clamp(SMALLEST)
    opening = heavy * (apart / 2).sinh().square() + flat * (turn / 2).sin().square()
    mass2 = m2 + m2_b + 2 * excess + 4 * opening
    share = least / (pt + pt_b).clamp(min=SMALLEST)
    return torch.stack([least * distance, share, distance, mass2], -1).clamp(min=SMALLEST).log()
