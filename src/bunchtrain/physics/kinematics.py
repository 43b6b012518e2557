"""Four-vectors (E, px, py, pz) in GeV, and pT, rapidity, pseudorapidity and azimuth from them."""

from __future__ import annotations

import numpy as np

from bunchtrain.physics.packed import Floats, Ints, sum_by_jet

#: Rapidity of a particle along the beam.
ALONG_BEAM = 1e5


def transverse(px: Floats, py: Floats) -> Floats:
    """Return pT = √(px² + py²) in GeV."""
    return np.sqrt(px * px + py * py)


def azimuth(px: Floats, py: Floats) -> Floats:
    """Return φ in (−π, π]."""
    return np.arctan2(py, px)


def wrap_angle(angle: Floats) -> Floats:
    """Return an azimuthal difference wrapped into [−π, π)."""
    turned = np.asarray(angle + np.pi)
    # The remainder, which is slow, leaves the others as they are.
    np.mod(turned, 2 * np.pi, out=turned, where=(turned < 0) | (turned >= 2 * np.pi))
    return np.asarray(turned - np.pi, dtype=angle.dtype)


def pseudorapidity(px: Floats, py: Floats, pz: Floats) -> Floats:
    """Return η = arsinh(pz / pT); ±1e5 along the beam, 0 for no momentum."""
    pt = transverse(px, py)
    if np.all(pt > 0):
        return np.asarray(np.arcsinh(pz / pt))
    safe = np.where(pt > 0, pt, 1)
    value = np.where(pt > 0, np.arcsinh(pz / safe), np.sign(pz) * pt.dtype.type(ALONG_BEAM))
    return np.asarray(value)


def rapidity(energy: Floats, px: Floats, py: Floats, pz: Floats) -> Floats:
    """Return y = ½ ln((E + pz) / (E − pz)); ±1e5 along the beam, 0 for no momentum.

    Written as ½ ln((pT² + m²) / (E + |pz|)²) with m² ≥ 0, which is stable against rounding.
    """
    pt2 = px * px + py * py
    abs_pz = np.abs(pz)
    mt2 = pt2 + np.maximum(energy * energy - pt2 - pz * pz, 0)
    safe = (mt2 > 0) & (energy + abs_pz > 0)
    ratio = np.where(safe, mt2, 1) / np.where(safe, energy + abs_pz, 1) ** 2
    value = np.where(safe, -0.5 * np.log(ratio), ALONG_BEAM)
    return np.asarray(np.sign(pz) * value)


def invariant_mass(momenta: Floats) -> Floats:
    """Return m = √(E² − p²) in GeV: (n,) from (n, 4).

    0 where m² is negative or, in double precision, below 10⁻¹⁴ E², the rounding of E² − p²: it is
    not invariant under rotations.
    """
    energy, px, py, pz = np.moveaxis(momenta, -1, 0)
    # (E − |pz|)(E + |pz|) avoids the cancellation in E² − pz²
    squared = (energy - np.abs(pz)) * (energy + np.abs(pz)) - px * px - py * py
    rounding = 1e-14 * energy * energy if squared.dtype == np.float64 else 0
    return np.asarray(np.sqrt(np.where(squared > rounding, squared, 0)))


def from_cylindrical(pt: Floats, eta: Floats, phi: Floats, mass: Floats | float = 0.0) -> Floats:
    """Return (n, 4) momenta from pT, η, φ and mass in GeV."""
    px, py, pz = pt * np.cos(phi), pt * np.sin(phi), pt * np.sinh(eta)
    return np.stack([np.sqrt((pt * np.cosh(eta)) ** 2 + mass * mass), px, py, pz], axis=-1)


def around_axis(momenta: Floats, lengths: Ints) -> tuple[Floats, Floats, Floats]:
    """Return pT, y − y_jet and φ − φ_jet of packed points, (points,) each, in float64.

    The jet's momentum is the sum of its points (points, 4); differences in rapidity are invariant
    under boosts along the beam.
    """
    energy, px, py, pz = momenta.astype(np.float64).T
    axis = sum_by_jet(momenta, lengths).T
    y_jet = np.repeat(rapidity(*axis), lengths)
    phi_jet = np.repeat(azimuth(axis[1], axis[2]), lengths)
    delta_y = rapidity(energy, px, py, pz) - y_jet
    return transverse(px, py), delta_y, wrap_angle(azimuth(px, py) - phi_jet)


def rotate_to_axis(momenta: Floats, lengths: Ints) -> tuple[Floats, Floats]:
    """Return the momenta in float64 with every jet rotated around the beam to φ = 0, and its φ.

    Azimuths within a narrow jet can then be subtracted without wrapping.
    """
    total = sum_by_jet(momenta, lengths)
    angle = azimuth(total[:, 1], total[:, 2])
    return rotate_about_beam(momenta, np.repeat(-angle, lengths)), angle


def rotate_about_beam(momenta: Floats, angle: Floats) -> Floats:
    """Return momenta (n, 4) rotated around the beam by angles (n,) in rad."""
    energy, px, py, pz = momenta.astype(np.float64).T
    cos, sin = np.cos(angle), np.sin(angle)
    return np.stack([energy, px * cos - py * sin, px * sin + py * cos, pz], axis=-1)


def is_narrow(angle: Floats) -> bool:
    """Return whether no two of these azimuths can be more than π apart."""
    return bool(np.abs(angle).max(initial=0) < np.pi / 2)
