"""Helices of charged particles in a uniform field along z: propagation with Jacobians.

A free state is x, y, z in mm, φ, θ in rad and q/p in 1/GeV; a bound state on a plane with the unit
vectors u and v has two local coordinates in mm in place of the position. Along the path s the
azimuth turns by dφ/ds = ω = −c B q/p, and with h = ωs/2 the position moves by
(s sin θ sin(h)/h cos(φ + h), s sin θ sin(h)/h sin(φ + h), s cos θ).
Jacobians are in closed form.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: c in GeV/(T mm): a particle of charge e and momentum p in GeV turns by c B/p per mm.
LIGHT = 2.99792458e-4
X, Y, Z, PHI, THETA, QOP = range(6)
_NEWTON = 8


@dataclass(frozen=True)
class Planes:
    """Planes with local axes, (n, 3) each: a point, and the unit vectors along both axes."""

    centre: Floats
    u: Floats
    v: Floats

    @property
    def normal(self) -> Floats:
        """The unit vectors across the planes."""
        return np.cross(self.u, self.v)

    def __getitem__(self, rows: NDArray[np.bool_] | slice) -> Planes:
        return Planes(self.centre[rows], self.u[rows], self.v[rows])


def direction(free: Floats) -> Floats:
    """Return the unit vectors of the momenta, (n, 3)."""
    sine = np.sin(free[:, THETA])
    cosine = np.cos(free[:, THETA])
    return np.stack([sine * np.cos(free[:, PHI]), sine * np.sin(free[:, PHI]), cosine], 1)


def move(free: Floats, s: Floats, field: float) -> Floats:
    """Return the free states after a path s in mm, (n, 6); the azimuth is not reduced to ±π.

    field  along z in tesla.
    """
    h = -LIGHT * field * free[:, QOP] * s / 2
    across = np.sin(free[:, THETA]) * s * np.sinc(h / np.pi)
    found = free.copy()
    found[:, X] += across * np.cos(free[:, PHI] + h)
    found[:, Y] += across * np.sin(free[:, PHI] + h)
    found[:, Z] += np.cos(free[:, THETA]) * s
    found[:, PHI] += 2 * h
    return found


def derivatives(free: Floats, s: Floats, field: float) -> tuple[Floats, Floats]:
    """Return ∂(state after s)/∂(state) at fixed s, (n, 6, 6), and ∂(state after s)/∂s, (n, 6)."""
    turn = -LIGHT * field
    h = turn * free[:, QOP] * s / 2
    sinc = np.sinc(h / np.pi)
    small = np.abs(h) < 1e-3  # the difference below loses digits there
    slope = np.where(small, -h / 3, (np.cos(h) - sinc) / np.where(small, 1.0, h))
    sine, cosine = np.sin(free[:, THETA]), np.cos(free[:, THETA])
    cos_a, sin_a = np.cos(free[:, PHI] + h), np.sin(free[:, PHI] + h)
    of_qop = sine * s * turn * s / 2
    found = np.broadcast_to(np.eye(6), (len(s), 6, 6)).copy()
    found[:, X, PHI], found[:, Y, PHI] = -sine * s * sinc * sin_a, sine * s * sinc * cos_a
    found[:, X, THETA], found[:, Y, THETA] = cosine * s * sinc * cos_a, cosine * s * sinc * sin_a
    found[:, Z, THETA] = -sine * s
    found[:, X, QOP] = of_qop * (slope * cos_a - sinc * sin_a)
    found[:, Y, QOP] = of_qop * (slope * sin_a + sinc * cos_a)
    found[:, PHI, QOP] = turn * s
    rate = np.zeros((len(s), 6))
    rate[:, :3] = direction(move(free, s, field))
    rate[:, PHI] = turn * free[:, QOP]
    return found, rate


def path_to_planes(free: Floats, planes: Planes, field: float, start: Floats) -> Floats:
    """Return the path in mm to planes, (n,), by Newton's method from a first estimate."""
    normal, s = planes.normal, start.copy()
    for _ in range(_NEWTON):
        moved = move(free, s, field)
        off = np.einsum("ni,ni->n", normal, moved[:, :3] - planes.centre)
        rate = np.einsum("ni,ni->n", normal, direction(moved))
        s -= off / np.where(np.abs(rate) < 1e-6, np.inf, rate)
    return s


def path_to_radius(free: Floats, radius: float, field: float) -> Floats:
    """Return the path in mm back to a cylinder around the beam, (n,), NaN if it is not reached.

    The states are outside and move away from it.
    """
    s = -(np.hypot(free[:, X], free[:, Y]) - radius) / np.sin(free[:, THETA])
    for _ in range(_NEWTON):
        moved = move(free, s, field)
        off = moved[:, X] ** 2 + moved[:, Y] ** 2 - radius**2
        rate = 2 * np.einsum("ni,ni->n", moved[:, :2], direction(moved)[:, :2])
        with np.errstate(invalid="ignore", divide="ignore"):
            s = s - off / rate
    reached = np.abs(np.hypot(*move(free, s, field)[:, :2].T) - radius) < 1e-3 * radius
    return np.where(reached & (s < 0), s, np.nan)


def tangent_planes(free: Floats) -> Planes:
    """Return the planes that touch the cylinder around the beam at the places of states."""
    radius = np.maximum(np.hypot(free[:, X], free[:, Y]), 1e-9)
    cosine, sine, zero = free[:, X] / radius, free[:, Y] / radius, np.zeros(len(free))
    along = np.stack([zero, zero, zero + 1], 1)
    return Planes(free[:, :3], np.stack([-sine, cosine, zero], 1), along)


def to_free(bound: Floats, planes: Planes) -> Floats:
    """Return the free states of states on planes, (n, 5) → (n, 6)."""
    place = planes.centre + bound[:, :1] * planes.u + bound[:, 1:2] * planes.v
    return np.concatenate([place, bound[:, 2:]], 1)


def transport(
    bound: Floats, here: Planes, there: Planes, s: Floats, field: float
) -> tuple[Floats, Floats]:
    """Return the states on other planes, (n, 5), and their Jacobians, (n, 5, 5).

    s  path in mm between the planes.
    """
    free = to_free(bound, here)
    moved = move(free, s, field)
    jacobian, rate = derivatives(free, s, field)
    normal = there.normal
    cosine = np.einsum("ni,ni->n", normal, rate[:, :3])
    of_path = -np.einsum("ni,nij->nj", normal, jacobian[:, :3]) / cosine[:, None]
    jacobian += rate[:, :, None] * of_path[:, None, :]
    off = moved[:, :3] - there.centre
    found = np.empty_like(bound)
    found[:, 0] = np.einsum("ni,ni->n", there.u, off)
    found[:, 1] = np.einsum("ni,ni->n", there.v, off)
    found[:, 2:] = moved[:, 3:]
    rows = np.stack([there.u, there.v], 1)  # (n, 2, 3)
    of_there = np.concatenate([rows @ jacobian[:, :3], jacobian[:, 3:]], 1)  # (n, 5, 6)
    return found, of_there @ _of_bound(here)


def to_perigee(bound: Floats, here: Planes, field: float) -> tuple[Floats, Floats]:
    """Return d0, z0, φ, θ, q/p where helices are nearest to the beam, (n, 5), and Jacobians.

    x = −d0 sin φ and y = d0 cos φ there.
    """
    free = to_free(bound, here)
    s = -np.einsum("ni,ni->n", free[:, :2], direction(free)[:, :2]) / np.sin(free[:, THETA]) ** 2
    for _ in range(_NEWTON):
        moved = move(free, s, field)
        along, across = _polar(moved)
        rate = np.sin(free[:, THETA]) - LIGHT * field * free[:, QOP] * across
        s -= along / np.where(np.abs(rate) < 1e-6, np.inf, rate)
    moved = move(free, s, field)
    jacobian, rate = derivatives(free, s, field)
    cosine, sine = np.cos(moved[:, PHI])[:, None], np.sin(moved[:, PHI])[:, None]
    across = _polar(moved)[1]
    of_along = cosine * jacobian[:, X] + sine * jacobian[:, Y]
    of_along += across[:, None] * jacobian[:, PHI]
    speed = np.sin(free[:, THETA]) + rate[:, PHI] * across
    jacobian += rate[:, :, None] * (-of_along / speed[:, None])[:, None, :]
    found = np.concatenate([across[:, None], moved[:, 2:]], 1)
    of_d0 = cosine * jacobian[:, Y] - sine * jacobian[:, X]
    rows = np.concatenate([of_d0[:, None], jacobian[:, 2:]], 1)
    return found, rows @ _of_bound(here)


def _polar(free: Floats) -> tuple[Floats, Floats]:
    """Return x cos φ + y sin φ and y cos φ − x sin φ."""
    cosine, sine = np.cos(free[:, PHI]), np.sin(free[:, PHI])
    return free[:, X] * cosine + free[:, Y] * sine, free[:, Y] * cosine - free[:, X] * sine


def _of_bound(planes: Planes) -> Floats:
    """Return ∂(free)/∂(bound), (n, 6, 5)."""
    found = np.zeros((len(planes.u), 6, 5))
    found[:, :3, 0], found[:, :3, 1] = planes.u, planes.v
    found[:, [3, 4, 5], [2, 3, 4]] = 1
    return found
