"""Fit of vertices to helices of charged tracks, with weights of the tracks that are annealed.

A track of perigee parameters p = (d0, z0, φ, θ, q/p) at the beam has with respect to a point V the
impact parameters q(p, V) = (d, Δz), which vanish for a track from V. With their covariance C the
vertex of tracks i minimises Σ_i w_i χ_i², χ_i² = qᵀ C⁻¹ q, by the linearised equations

    (Σ w Hᵀ C⁻¹ H) δV = −Σ w Hᵀ C⁻¹ q,   H = ∂q/∂V,

repeated at each new V (Billoir and Qian, NIM A 311 (1992) 139). The weights are those of the
adaptive fit, w = 1/(1 + exp((χ² − χ_c²)/2T)), with a falling temperature T (Frühwirth, Waltenberger
and Vanlaer, J. Phys. G 34 (2007) N343). The vertices of all events are fitted at once.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Radius of a helix in mm is pT in GeV over this and the field in tesla.
CURVATURE = 2.99792458e-4
TEMPERATURES = (64.0, 16.0, 4.0, 2.0, 1.0, 1.0, 1.0)
#: Steps of the numerical derivatives with respect to the five parameters.
STEPS = (1e-3, 1e-3, 1e-5, 1e-5, 1e-6)
#: Smallest |q/p| in 1/GeV: a helix of larger momentum is as straight.
STIFFEST = 1e-6


@dataclass(frozen=True)
class Vertices:
    """Fitted vertices.

    position    (vertices, 3) in mm; NaN for one without two tracks.
    covariance  (vertices, 3, 3) in mm².
    weight      (tracks,) of each track in its vertex.
    chi2        (vertices,) Σ w χ².
    degrees     (vertices,) 2 Σ w − 3, and 2 more with a beam.
    """

    position: Floats
    covariance: Floats
    weight: Floats
    chi2: Floats
    degrees: Floats


def impact_parameters(parameters: Floats, point: Floats, field: float) -> tuple[Floats, Floats]:
    """Return the signed distance d and Δz where tracks are nearest to points, (tracks, 2).

    With the radius r = pT/(q B) the centre of the circle with respect to the point is
    C = (r − d0)(sin φ, −cos φ) − V, then d = r − sign(r)|C|, φ' the direction there, and
    Δz = z0 + r (φ − φ') cot θ − V_z. Also returns ∂(d, Δz)/∂V, (tracks, 2, 3).

    parameters  (tracks, 5) d0, z0, φ, θ, q/p at the beam, in mm and 1/GeV.
    point       (tracks, 3) in mm.
    field       along z in tesla.
    """
    d0, z0, phi, theta, qop = parameters.T
    stiff = np.where(qop < 0, -1.0, 1.0) * np.maximum(np.abs(qop), STIFFEST)
    r = np.sin(theta) / (stiff * CURVATURE * field)
    sine, cosine = np.sin(phi), np.cos(phi)
    x, y = (r - d0) * sine - point[:, 0], -(r - d0) * cosine - point[:, 1]
    size = np.hypot(x, y)
    s, c = np.sign(r) * x / size, -np.sign(r) * y / size  # of the direction at the point
    turned = np.arctan2(sine * c - cosine * s, cosine * c + sine * s)
    slope = 1 / np.tan(theta)
    found = np.stack([r - np.sign(r) * size, z0 + r * turned * slope - point[:, 2]], 1)
    change = np.zeros((len(d0), 2, 3))
    change[:, 0, 0], change[:, 0, 1] = s, -c
    along = np.abs(r) / size * slope
    change[:, 1, 0], change[:, 1, 1], change[:, 1, 2] = along * c, along * s, -1.0
    return found, change


def covariance_at(parameters: Floats, covariance: Floats, point: Floats, field: float) -> Floats:
    """Return the covariance of the impact parameters, (tracks, 2, 2) = J C Jᵀ.

    covariance  (tracks, 5, 5) of the parameters; the other arguments are those of
                `impact_parameters`.
    """
    jacobian = np.empty((len(parameters), 2, 5))
    for k, step in enumerate(STEPS):
        shift = np.zeros(5)
        shift[k] = step
        up = impact_parameters(parameters + shift, point, field)[0]
        down = impact_parameters(parameters - shift, point, field)[0]
        jacobian[:, :, k] = (up - down) / (2 * step)
    return np.asarray(np.einsum("tik,tkl,tjl->tij", jacobian, covariance, jacobian))


def fit_vertices(
    parameters: Floats,
    covariance: Floats,
    vertex: Ints,
    start: Floats,
    field: float,
    *,
    cut: float = 3.0,
    beam: float | None = None,
) -> Vertices:
    """Return vertices fitted to their tracks.

    parameters  (tracks, 5).
    covariance  (tracks, 5, 5).
    vertex      (tracks,) index of the vertex of each track.
    start       (vertices, 3) where the iterations begin, in mm.
    field       in tesla.
    cut         χ_c, distance in standard deviations at which a weight is a half; ∞ for none.
    beam        standard deviation of vertices across the beam in mm, around 0; None if unknown.
    """
    position, count = np.array(start, np.float64), len(start)
    weight = np.ones(len(vertex))
    tracks = np.bincount(vertex, minlength=count)
    for temperature in TEMPERATURES:
        at = position[vertex]
        q, h = impact_parameters(parameters, at, field)
        inverse = _inverse2(covariance_at(parameters, covariance, at, field))
        square = np.einsum("ti,tij,tj->t", q, inverse, q)
        if np.isfinite(cut):
            exponent = np.clip((square - cut**2) / (2 * temperature), -60, 60)
            weight = 1 / (1 + np.exp(exponent))
        weighted = h.transpose(0, 2, 1) @ inverse * weight[:, None, None]
        normal = _sum(weighted @ h, vertex, count)
        right = -_sum((weighted @ q[:, :, None])[..., 0], vertex, count)
        if beam is not None:
            for axis in (0, 1):
                normal[:, axis, axis] += 1 / beam**2
                right[:, axis] -= position[:, axis] / beam**2
        error = np.linalg.inv(_regular(normal, tracks))
        position = position + (error @ right[..., None])[..., 0]
    chi2 = _sum(weight * square, vertex, count)
    degrees = 2 * _sum(weight, vertex, count) - (3 if beam is None else 1)
    few = tracks < 2
    position[few], error[few] = np.nan, np.nan
    return Vertices(position, np.asarray(error, np.float64), weight, chi2, degrees)


def lower_triangle(values: Floats) -> Floats:
    """Return symmetric matrices (n, 5, 5) from their lower triangles, row by row, (n, 15)."""
    rows, columns = np.tril_indices(5)
    found = np.empty((len(values), 5, 5))
    found[:, rows, columns] = values
    found[:, columns, rows] = values
    return found


def _inverse2(matrix: Floats) -> Floats:
    """Return the inverses of matrices (n, 2, 2)."""
    a, b, d = matrix[:, 0, 0], matrix[:, 0, 1], matrix[:, 1, 1]
    found = np.stack([d, -b, -b, a], 1).reshape(-1, 2, 2)
    return np.asarray(found / (a * d - b * b)[:, None, None])


def _sum(values: Floats, vertex: Ints, count: int) -> Floats:
    """Return the sums over the tracks of each vertex, (vertices, ...)."""
    flat = values.reshape(len(values), prod(values.shape[1:]))
    found = np.stack([np.bincount(vertex, one, count) for one in flat.T], 1)
    return np.asarray(found, np.float64).reshape(count, *values.shape[1:])


def _regular(normal: Floats, tracks: Ints) -> Floats:
    """Return the normal matrices, with 1 on the diagonal of those that cannot be inverted."""
    scale = np.einsum("vii->v", normal) / 3
    weak = (tracks < 2) | ~(np.linalg.det(normal) > 1e-12 * scale**3)
    added = np.where(weak, 1 + scale, 0.0)
    return np.asarray(normal + added[:, None, None] * np.eye(3))
