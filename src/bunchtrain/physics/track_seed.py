"""A first estimate of the helix through hits: a circle across the beam and a line along it.

The circle is that of V. Karimäki, NIM A 305 (1991) 187, in closed form: with moments C of x, y and
r² = x² + y², tan 2φ = 2 (C_rr C_xy − C_xr C_yr) / (C_rr (C_xx − C_yy) − C_xr² + C_yr²).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from bunchtrain.physics.helix import LIGHT

Floats = NDArray[np.float64]


def seed_helix(place: Floats, weight: Floats, field: float) -> Floats:
    """Return d0, z0 in mm, φ, θ in rad and q/p in 1/GeV of helices through hits, (tracks, 5).

    place   (tracks, hits, 3) in mm.
    weight  (tracks, hits), 0 where there is no hit.
    field   along z in tesla.
    """
    w = weight / weight.sum(1, keepdims=True)
    x, y, z = (place[:, :, k] for k in range(3))
    curvature, phi, d0 = _circle(x, y, w)
    arc = _arc(x, y, curvature, phi, d0)
    mean_s, mean_z = (w * arc).sum(1), (w * z).sum(1)
    spread = (w * (arc - mean_s[:, None]) ** 2).sum(1)
    slope = (w * (arc - mean_s[:, None]) * (z - mean_z[:, None])).sum(1)
    slope = slope / np.maximum(spread, 1e-12)  # cot θ
    theta = np.arctan2(1.0, slope)
    qop = -curvature * np.sin(theta) / (LIGHT * field)
    return np.stack([d0, mean_z - slope * mean_s, phi, theta, qop], 1)


def _circle(x: Floats, y: Floats, w: Floats) -> tuple[Floats, Floats, Floats]:
    """Return dφ/ds in 1/mm, φ and d0 where circles are nearest to the beam, (tracks,) each."""
    r = x**2 + y**2

    def mean(a: Floats) -> Floats:
        return np.asarray((w * a).sum(1))

    def moment(a: Floats, b: Floats) -> Floats:
        return mean(a * b) - mean(a) * mean(b)

    xr, yr, rr = moment(x, r), moment(y, r), moment(r, r)
    first = rr * moment(x, y) - xr * yr
    second = rr * (moment(x, x) - moment(y, y)) - xr**2 + yr**2
    phi = np.arctan2(2 * first, second) / 2
    phi = phi + np.pi * (np.cos(phi) * mean(x) + np.sin(phi) * mean(y) < 0)  # outwards
    k = (np.sin(phi) * xr - np.cos(phi) * yr) / np.maximum(rr, 1e-12)
    delta = -k * mean(r) + np.sin(phi) * mean(x) - np.cos(phi) * mean(y)
    root = np.sqrt(np.maximum(1 - 4 * delta * k, 1e-12))
    return -2 * k / root, np.arctan2(np.sin(phi), np.cos(phi)), -2 * delta / (1 + root)


def _arc(x: Floats, y: Floats, curvature: Floats, phi: Floats, d0: Floats) -> Floats:
    """Return the path across the beam from the nearest point to hits, (tracks, hits)."""
    cosine, sine = np.cos(phi)[:, None], np.sin(phi)[:, None]
    dx, dy = x + d0[:, None] * sine, y - d0[:, None] * cosine
    along, across = dx * cosine + dy * sine, dy * cosine - dx * sine
    bend = curvature[:, None]
    turn = np.arctan2(along * bend, 1 - across * bend)
    straight = np.abs(bend) < 1e-9
    return np.where(straight, along, turn / np.where(straight, 1.0, bend))
