"""Momenta seen from the rest frames of others, and what is known of them there.

To be computed in double precision: at high momenta, energies and masses in a rest frame are small
differences of large numbers.
"""

from __future__ import annotations

import torch
from torch import Tensor

SMALLEST = 1e-6
SLOWEST = 1e-6  # m² over p² of a frame at least: one without mass has no rest


def boosted(momenta: Tensor, frames: Tensor) -> Tensor:
    """Return momenta (..., 4) as seen in the rest frame of the momenta `frames` (..., 4).

    With β = f / E_f and γ = E_f / m_f: E' = γ (E − β·p), p' = p + (γ² / (γ + 1) β·p − γ E) β.
    A frame without energy moves nothing; one of γ above 1000 counts as of γ = 1000.
    """
    energy, three = momenta[..., :1], momenta[..., 1:]
    size2 = frames[..., 1:].square().sum(-1, keepdim=True)
    mass2 = torch.maximum(frames[..., :1].square() - size2, SLOWEST * size2).clamp(min=SMALLEST**2)
    frame_energy = (mass2 + size2).sqrt()
    beta, gamma = frames[..., 1:] / frame_energy, frame_energy * mass2.rsqrt()
    along = (beta * three).sum(-1, keepdim=True)
    shift = gamma.square() / (gamma + 1) * along - gamma * energy
    return torch.cat([gamma * (energy - along), three + shift * beta], -1)


def kinematics(momenta: Tensor, dtype: torch.dtype) -> Tensor:
    """Return ln E, ln pT, ln m, η and φ of momenta (..., 4), in this precision: (..., 5)."""
    energy, three = momenta[..., 0], momenta[..., 1:]
    pt2 = three[..., :2].square().sum(-1) + SMALLEST
    mass2 = (energy.square() - three.square().sum(-1)).clamp(min=SMALLEST)
    positive = torch.stack([energy.clamp(min=SMALLEST).square(), pt2, mass2], -1).to(dtype)
    eta = (three[..., 2] / pt2.sqrt()).to(dtype).asinh()
    flat = three[..., :2].to(dtype)
    phi = torch.atan2(flat[..., 1], flat[..., 0] + SMALLEST)
    return torch.cat([positive.log() / 2, torch.stack([eta, phi], -1)], -1)
