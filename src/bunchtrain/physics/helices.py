"""Helices of charged particles in a field along z: crossings of planes and weighted fits.

A helix has a pivot (x, y, z), the direction φ there, the curvature κ = dφ/ds and the slope
dz/ds, with s the path in the transverse plane. Its parameters are small changes of five numbers:
the offset across the helix in the transverse plane, φ, κ, the offset in z, and the slope.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: Smallest curvature in 1/mm for which its derivatives are finite: pT of 600 TeV at 2 T.
_STRAIGHT = 1e-9
#: Largest turn in rad between a helix's pivot and a plane.
_TURN = 3.0


@dataclass(frozen=True)
class Helix:
    """Helices, (n,) each.

    place      (n, 3) pivots in mm.
    phi        directions in rad.
    curvature  κ in 1/mm, positive for φ that grows.
    slope      dz/ds.
    """

    place: Floats
    phi: Floats
    curvature: Floats
    slope: Floats

    def at(self, s: Floats) -> tuple[Floats, Floats]:
        """Return positions in mm and directions of length 1, (n, m, 3), at s (n, m)."""
        kappa = _bent(self.curvature)[:, None]
        start, end = self.phi[:, None], self.phi[:, None] + kappa * s
        x = (np.sin(end) - np.sin(start)) / kappa
        y = (np.cos(start) - np.cos(end)) / kappa
        slope = np.broadcast_to(self.slope[:, None], s.shape)
        moved = np.stack([x, y, slope * s], -1)
        direction = np.stack([np.cos(end), np.sin(end), slope], -1)
        length = np.sqrt(1 + self.slope**2)[:, None, None]
        return self.place[:, None] + moved, direction / length

    def derivatives(self, s: Floats) -> Floats:
        """Return the change of the positions at s by each parameter, (n, m, 3, 5)."""
        kappa, start = _bent(self.curvature)[:, None], self.phi[:, None]
        end = start + kappa * s
        x = (np.sin(end) - np.sin(start)) / kappa
        y = (np.cos(start) - np.cos(end)) / kappa
        found = np.zeros((*s.shape, 3, 5))
        found[..., 0, 0], found[..., 1, 0] = -np.sin(start), np.cos(start)
        found[..., 0, 1], found[..., 1, 1] = -y, x
        found[..., 0, 2] = (s * np.cos(end) - x) / kappa
        found[..., 1, 2] = (s * np.sin(end) - y) / kappa
        found[..., 2, 3], found[..., 2, 4] = 1, s
        return found

    def moved(self, change: Floats) -> Helix:
        """Return the helices with changed parameters, (n, 5)."""
        across = np.stack([-np.sin(self.phi), np.cos(self.phi), np.zeros(len(self.phi))], -1)
        place = self.place + across * change[:, :1]
        place[:, 2] += change[:, 3]
        phi, curvature = self.phi + change[:, 1], self.curvature + change[:, 2]
        return Helix(place, phi, curvature, self.slope + change[:, 4])

    def pivoted(self, s: Floats) -> Helix:
        """Return the same helices with their pivots at s, (n,)."""
        place = self.at(s[:, None])[0][:, 0]
        return replace(self, place=place, phi=self.phi + self.curvature * s)


@dataclass(frozen=True)
class Planes:
    """Planes that each of n helices crosses, m each.

    middle  (n, m, 3) in mm.
    axes    (n, m, 2, 3) directions of the local axes.
    """

    middle: Floats
    axes: Floats

    @property
    def normal(self) -> Floats:
        """Directions across the planes, (n, m, 3)."""
        return np.cross(self.axes[..., 0, :], self.axes[..., 1, :])

    def __getitem__(self, chosen: Any) -> Planes:
        return Planes(self.middle[chosen], self.axes[chosen])


def through(points: Floats) -> Helix:
    """Return helices through the first of three points, (n, 3, 3), in their order.

    The circle goes through all three, the slope is that from the first to the last.
    """
    first, second, third = points[:, 0], points[:, 1], points[:, 2]
    a, b, c = second - first, third - second, third - first
    lengths = [np.hypot(one[:, 0], one[:, 1]) for one in (a, b, c)]
    cross = a[:, 0] * b[:, 1] - a[:, 1] * b[:, 0]
    curvature = 2 * cross / np.maximum(lengths[0] * lengths[1] * lengths[2], 1e-12)
    half = np.arcsin(np.clip(curvature * lengths[2] / 2, -1, 1))
    phi = np.arctan2(c[:, 1], c[:, 0]) - half
    path = 2 * half / _bent(curvature)
    return Helix(first, phi, curvature, c[:, 2] / np.maximum(np.abs(path), 1e-9))


def cross(helix: Helix, planes: Planes, rounds: int = 4) -> Floats:
    """Return s, (n, m), at which the helices cross planes, by Newton's method."""
    normal, bound = planes.normal, _TURN / np.maximum(np.abs(helix.curvature), 1e-6)[:, None]
    # From the point of the helix next to the middle, in the transverse plane.
    apart = planes.middle - helix.place[:, None]
    s = apart[..., 0] * np.cos(helix.phi)[:, None] + apart[..., 1] * np.sin(helix.phi)[:, None]
    for _ in range(rounds):
        place, direction = helix.at(s)
        rate = (normal * direction).sum(-1) * np.sqrt(1 + helix.slope**2)[:, None]
        rate = np.where(np.abs(rate) < 1e-3, np.copysign(1e-3, rate), rate)
        s = np.clip(s + (normal * (planes.middle - place)).sum(-1) / rate, -bound, bound)
    return s


def local(helix: Helix, planes: Planes, s: Floats) -> Floats:
    """Return local coordinates in mm, (n, m, 2), of the positions at s."""
    place = helix.at(s)[0] - planes.middle
    return np.asarray(np.einsum("nmax,nmx->nma", planes.axes, place))


def local_derivatives(helix: Helix, planes: Planes, s: Floats) -> Floats:
    """Return the change of the local coordinates of crossings by each parameter, (n, m, 2, 5)."""
    change, direction, normal = helix.derivatives(s), helix.at(s)[1], planes.normal
    rate = (normal * direction).sum(-1)
    rate = np.where(np.abs(rate) < 1e-3, np.copysign(1e-3, rate), rate)
    along = np.einsum("nmx,nmxp->nmp", normal, change) / rate[..., None]
    in_plane = change - direction[..., None] * along[..., None, :]
    return np.asarray(np.einsum("nmax,nmxp->nmap", planes.axes, in_plane))


def fit(
    helix: Helix, planes: Planes, measured: Floats, variance: Floats, rounds: int = 1
) -> tuple[Helix, Floats]:
    """Return helices fitted to measurements by Gauss–Newton steps, and covariances (n, 5, 5).

    The covariance (JᵀWJ)⁻¹ holds where the measurements are independent, W = diag(1/variance).

    helix     from which the steps start, near the solution.
    measured  (n, m, 2) local coordinates in mm; variance of the same shape.
    """
    for _ in range(rounds):
        s = cross(helix, planes)
        change = local_derivatives(helix, planes, s)
        off = measured - local(helix, planes, s)
        weighted = change / variance[..., None]
        information = np.einsum("nmap,nmaq->npq", weighted, change)
        pull = np.einsum("nmap,nma->np", weighted, off)
        covariance = _inverse(information)
        helix = helix.moved(np.einsum("npq,nq->np", covariance, pull))
    return helix, covariance


def _inverse(matrices: Floats) -> Floats:
    """Return the inverses of positive matrices of different units, of 1 on the diagonal."""
    scale = np.sqrt(np.maximum(np.einsum("npp->np", matrices), 1e-300))
    outer = scale[:, :, None] * scale[:, None, :]
    unit = matrices / outer + 1e-12 * np.eye(matrices.shape[-1])
    return np.asarray(np.linalg.inv(unit) / outer)


def _bent(curvature: Floats) -> Floats:
    return np.where(np.abs(curvature) < _STRAIGHT, _STRAIGHT, curvature)
