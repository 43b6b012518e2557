"""Kalman filter over the hits of many tracks at once, from outside to the beam.

State and covariance are predicted on the plane of the next hit inwards, C' = F C Fᵀ + Q, and
updated by its measurement m with the covariance V: K = C' Hᵀ (V + H C' Hᵀ)⁻¹ (R. Frühwirth, NIM A
262 (1987) 444; review in arXiv:physics/0402039). Multiple scattering in a layer adds Q: the
variance θ₀² to θ and (θ₀/sin θ)² to φ, with θ₀ = 13.6 MeV/(β p) √(X/X₀) (1 + 0.038 ln(X/(X₀ β²)))
(V. Highland, NIM 129 (1975) 497; Particle Data Group).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bunchtrain.physics.helix import (
    Floats,
    Planes,
    direction,
    move,
    path_to_planes,
    path_to_radius,
    tangent_planes,
    to_free,
    to_perigee,
    transport,
)
from bunchtrain.physics.track_seed import seed_helix

Mask = NDArray[np.bool_]
#: Standard deviations of a first state: of its measurement, of φ and θ in rad, of q/p in 1/GeV
#: beside half of its value. They are far larger than those of any fit.
_LOCAL, _ANGLE, _QOP = 100.0, 0.1, 0.05
#: References of a fit.
_PASSES = 2


@dataclass(frozen=True)
class TrackHits:
    """Hits of tracks from outside to inside, (tracks, hits, …), padded behind the last one.

    centre, u, v  middles in mm and axes of the planes of their modules, (tracks, hits, 3).
    local         measured in these planes in mm, (tracks, hits, 2).
    variance      of both in mm².
    material      radiation lengths of the layer, of a track across it, (tracks, hits).
    is_hit        (tracks, hits) whether there is one.
    """

    centre: Floats
    u: Floats
    v: Floats
    local: Floats
    variance: Floats
    material: Floats
    is_hit: Mask

    def planes(self, k: int) -> Planes:
        """Return the planes of the k-th hit of each track."""
        return Planes(self.centre[:, k], self.u[:, k], self.v[:, k])

    @property
    def place(self) -> Floats:
        """Measured places in mm, (tracks, hits, 3)."""
        return self.centre + self.local[:, :, :1] * self.u + self.local[:, :, 1:] * self.v


@dataclass(frozen=True)
class Medium:
    """Field and material that tracks go through.

    field      along z in tesla.
    mass       of the particles in GeV.
    cylinders  radius in mm and radiation lengths of material without hits, such as a beam pipe.
    loss       mean energy loss in GeV of a minimum ionising particle in one radiation length.
    """

    field: float = 2.0
    mass: float = 0.13957
    cylinders: Sequence[tuple[float, float]] = ()
    loss: float = 0.0


@dataclass(frozen=True)
class FittedTracks:
    """Tracks at the point nearest to the beam.

    parameters  d0, z0 in mm, φ, θ in rad, q/p in 1/GeV, (tracks, 5).
    covariance  (tracks, 5, 5).
    chi2        (tracks,) of the measurements.
    ndf         (tracks,) degrees of freedom.
    """

    parameters: Floats
    covariance: Floats
    chi2: Floats
    ndf: Floats


def fit_tracks(hits: TrackHits, medium: Medium) -> FittedTracks:
    """Return the fits of tracks with three hits or more.

    The Kalman filter is that of deviations from a reference helix, so that Jacobians are right
    while two hits of one layer give a bad direction; the first reference is a fit without
    material, the second one the first result.
    """
    helix = seed_helix(hits.place, hits.is_hit / hits.variance.max(2), medium.field)
    for _ in range(_PASSES):
        found = _filter(_first_states(helix, hits, medium), hits, medium)
        helix = found.parameters
    return found


def _filter(states: _States, hits: TrackHits, medium: Medium) -> FittedTracks:
    """Return the tracks after all hits from outside to inside, at the beam."""
    chi2, every = np.zeros(len(states.reference)), np.ones(len(states.reference), bool)
    for k in range(hits.is_hit.shape[1]):
        on = hits.is_hit[:, k]
        if k:
            there = hits.planes(k)
            states.to_cylinders(np.hypot(*there.centre[:, :2].T), on, medium)
            states.step(there, on, medium.field)
        chi2[on] += states.update(hits.local[:, k], hits.variance[:, k], on)
        states.scatter(hits.material[:, k] * on / states.across_layer(), medium)
    states.to_cylinders(np.zeros(len(chi2)), every, medium)
    found, jacobian = to_perigee(states.reference, states.planes, medium.field)
    found += np.einsum("nij,nj->ni", jacobian, states.deviation)
    found[:, 2] = np.remainder(found[:, 2] + np.pi, 2 * np.pi) - np.pi
    covariance = _symmetric(jacobian @ states.covariance @ np.swapaxes(jacobian, 1, 2))
    return FittedTracks(found, covariance, chi2, 2.0 * hits.is_hit.sum(1) - 5)


def highland(qop: Floats, lengths: Floats, mass: float) -> Floats:
    """Return the width θ₀ in rad of the angle of scattering in a plane, (n,).

    qop      q/p in 1/GeV, of charge ±1.
    lengths  radiation lengths that are crossed; none scatter by nothing.
    mass     in GeV.
    """
    p2 = 1 / qop**2
    beta2 = p2 / (p2 + mass**2)
    with np.errstate(divide="ignore", invalid="ignore"):
        spread = np.sqrt(lengths) * (1 + 0.038 * np.log(lengths / beta2))
    return np.where(lengths > 0, 0.0136 * np.abs(qop) / np.sqrt(beta2) * np.maximum(spread, 0), 0)


def _first_states(helix: Floats, hits: TrackHits, medium: Medium) -> _States:
    """Return the states of helices on the planes of the first hits, with large covariances.

    helix  d0, z0, φ, θ, q/p, (tracks, 5).
    """
    d0, z0, phi, _, qop = helix.T
    zero, first = np.zeros(len(d0)), hits.planes(0)
    perigee = Planes(
        np.stack([-d0 * np.sin(phi), d0 * np.cos(phi), z0], 1),
        np.stack([-np.sin(phi), np.cos(phi), zero], 1),
        np.stack([zero, zero, zero + 1], 1),
    )
    bound = np.concatenate([np.zeros((len(d0), 2)), helix[:, 2:]], 1)
    chord = np.linalg.norm(hits.place[:, 0] - perigee.centre, axis=1)
    s = path_to_planes(to_free(bound, perigee), first, medium.field, chord)
    reference = transport(bound, perigee, first, s, medium.field)[0]
    covariance = np.zeros((len(d0), 5, 5))
    covariance[:, [0, 1], [0, 1]] = _LOCAL**2 * hits.variance[:, 0]
    covariance[:, [2, 3], [2, 3]] = _ANGLE**2
    covariance[:, 4, 4] = (_QOP + np.abs(qop) / 2) ** 2
    planes = Planes(first.centre.copy(), first.u.copy(), first.v.copy())
    return _States(reference, np.zeros_like(reference), covariance, planes)


@dataclass
class _States:
    """States of tracks on a plane each, changed in place.

    reference   states of the reference helices, (tracks, 5).
    deviation   of the tracks from them, (tracks, 5).
    covariance  (tracks, 5, 5).
    """

    reference: Floats
    deviation: Floats
    covariance: Floats
    planes: Planes

    def free(self, on: Mask | slice = slice(None)) -> Floats:
        """Return the free states of the references of some tracks."""
        return to_free(self.reference[on], self.planes[on])

    def step(self, there: Planes, on: Mask, field: float) -> None:
        """Transport some tracks to other planes."""
        free, target = self.free(on), there[on]
        off = np.einsum("ni,ni->n", target.normal, target.centre - free[:, :3])
        along = np.einsum("ni,ni->n", target.normal, direction(free))
        s = path_to_planes(free, target, field, off / np.where(np.abs(along) < 0.1, np.inf, along))
        moved, jacobian = transport(self.reference[on], self.planes[on], target, s, field)
        self.reference[on] = moved
        self.deviation[on] = np.einsum("nij,nj->ni", jacobian, self.deviation[on])
        self.covariance[on] = jacobian @ self.covariance[on] @ np.swapaxes(jacobian, 1, 2)
        for name in ("centre", "u", "v"):
            getattr(self.planes, name)[on] = getattr(target, name)

    def to_cylinders(self, radius: Floats, on: Mask, medium: Medium) -> None:
        """Transport tracks through the cylinders of material that lie before a radius.

        radius  (tracks,) of the next hits in mm, 0 for none.
        """
        for at, lengths in sorted(medium.cylinders, reverse=True):
            free, s = self.free(), np.full(len(radius), np.nan)
            crosses = on & (np.hypot(free[:, 0], free[:, 1]) > at) & (radius < at)
            s[crosses] = path_to_radius(free[crosses], at, medium.field)
            crosses = np.isfinite(s)
            touching = tangent_planes(move(free, np.where(crosses, s, 0), medium.field))
            self.step(touching, crosses, medium.field)
            incidence = np.abs(np.einsum("ni,ni->n", self.planes.normal, direction(self.free())))
            self.scatter(np.where(crosses, lengths / np.maximum(incidence, 0.05), 0), medium)

    def update(self, local: Floats, variance: Floats, on: Mask) -> Floats:
        """Update some tracks by two measured coordinates each; return their χ²."""
        prior = self.covariance[on]
        residual = local[on] - self.reference[on, :2] - self.deviation[on, :2]
        spread = prior[:, :2, :2] + variance[on, :, None] * np.eye(2)
        gain = np.linalg.solve(spread, prior[:, :2]).swapaxes(1, 2)  # (n, 5, 2)
        self.deviation[on] += np.einsum("nij,nj->ni", gain, residual)
        self.covariance[on] = _symmetric(prior - gain @ prior[:, :2])
        chi2 = np.einsum("ni,nij,nj->n", residual, np.linalg.inv(spread), residual)
        return np.asarray(chi2)

    def across_layer(self) -> Floats:
        """Return the cosine of the angle to the axis across the layer, of a barrel or a disc."""
        free = self.free()
        unit, is_disc = direction(free), np.abs(self.planes.normal[:, 2]) > 0.5
        radial = np.einsum("ni,ni->n", unit[:, :2], free[:, :2]) / np.hypot(*free[:, :2].T)
        return np.maximum(np.abs(np.where(is_disc, unit[:, 2], radial)), 0.05)

    def scatter(self, lengths: Floats, medium: Medium) -> None:
        """Add multiple scattering in radiation lengths, (tracks,), and the energy that it cost."""
        angle = highland(self.reference[:, 4], lengths, medium.mass)
        self.covariance[:, 2, 2] += (angle / np.sin(self.reference[:, 3])) ** 2
        self.covariance[:, 3, 3] += angle**2
        if medium.loss:
            qop = self.reference[:, 4]
            energy = np.sqrt(1 / qop**2 + medium.mass**2)
            beta2 = 1 - (medium.mass / energy) ** 2
            energy += medium.loss * lengths / beta2
            self.reference[:, 4] = np.sign(qop) / np.sqrt(energy**2 - medium.mass**2)


def _symmetric(matrices: Floats) -> Floats:
    return np.asarray((matrices + np.swapaxes(matrices, 1, 2)) / 2)
