"""Residuals and pulls of fitted tracks at the beam, and their metrics."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from bunchtrain.physics.helix import Planes, to_perigee
from bunchtrain.physics.kalman_filter import FittedTracks
from bunchtrain.statistics.metrics import Measurement, half_width, pull_mean, pull_width

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Parameter → its unit in labels, and the start of the names of its metrics.
NAMES = {"d0": " in mm", "z0": " in mm", "φ": " in rad", "θ": " in rad", "q/pT": ", relative"}
METRIC = {"d0": "d0", "z0": "z0", "φ": "phi", "θ": "theta", "q/pT": "qopt"}
KINDS = ("resolution", "pull_mean", "pull_width", "pull_core")
#: Pulls beyond are left out of their mean and standard deviation.
WITHIN = 5.0


@dataclass(frozen=True)
class Residuals:
    """Tracks that are matched and fitted.

    particle    (tracks,) index of the particle of each.
    difference  fitted − true d0, z0 in mm, φ, θ in rad and q/pT over its true size, (tracks, 5).
    pull        (tracks, 5).
    lost        number of matched tracks that could not be fitted.
    """

    particle: Ints
    difference: Floats
    pull: Floats
    lost: int

    def core(self, k: int) -> Floats:
        """Return the pulls of a parameter within ±5."""
        pulls = self.pull[:, k]
        return np.asarray(pulls[np.abs(pulls) <= WITHIN])


def true_parameters(origin: Floats, field: float) -> Floats:
    """Return d0, z0 in mm, φ, θ in rad and q/p in 1/GeV of particles at the beam, (particles, 5).

    NaN for particles without a charge or a momentum, which have no helix.

    origin  x, y, z in mm, px, py, pz in GeV and charge, (particles, 7).
    """
    place, momentum, charge = origin[:, :3], origin[:, 3:6], origin[:, 6]
    size = np.linalg.norm(momentum, axis=1)
    phi = np.arctan2(momentum[:, 1], momentum[:, 0])
    theta = np.arctan2(np.hypot(momentum[:, 0], momentum[:, 1]), momentum[:, 2])
    zero = np.zeros(len(place))
    with np.errstate(all="ignore"):  # NaN of particles without a momentum
        bound = np.stack([zero, zero, phi, theta, charge / size], 1)
    axes = np.broadcast_to(np.eye(3), (len(place), 3, 3))
    with np.errstate(all="ignore"):
        found = to_perigee(bound, Planes(place, axes[:, 0], axes[:, 2]), field)[0]
    found[charge == 0] = np.nan
    return found


def residuals(
    fitted: FittedTracks, chosen: NDArray[np.bool_], particle: Ints, true: Floats
) -> Residuals:
    """Return the residuals of some tracks; those without a fit, or a true helix, are left out.

    chosen    (tracks,).
    particle  (tracks,) index of the particle of each.
    true      (particles, 5), see `true_parameters`.
    """
    chosen = chosen & np.isfinite(true[particle]).all(1)
    sigma2 = np.einsum("nii->ni", fitted.covariance)
    good = np.isfinite(fitted.parameters).all(1) & np.isfinite(sigma2).all(1) & (sigma2 > 0).all(1)
    rows = np.flatnonzero(chosen & good)
    found, covariance = fitted.parameters[rows].copy(), fitted.covariance[rows]
    wanted = true[particle[rows]].copy()
    sigma2 = sigma2[rows].copy()
    sine, cosine = np.sin(found[:, 3]), np.cos(found[:, 3])
    of_qop, of_theta = 1 / sine, -found[:, 4] * cosine / sine**2
    sigma2[:, 4] = of_qop**2 * covariance[:, 4, 4] + of_theta**2 * covariance[:, 3, 3]
    sigma2[:, 4] += 2 * of_qop * of_theta * covariance[:, 3, 4]
    found[:, 4] /= sine
    wanted[:, 4] /= np.sin(wanted[:, 3])
    difference = found - wanted
    difference[:, 2] = np.remainder(difference[:, 2] + np.pi, 2 * np.pi) - np.pi
    pull = difference / np.sqrt(sigma2)
    difference[:, 4] /= np.abs(wanted[:, 4])
    return Residuals(particle[rows], difference, pull, int(chosen.sum()) - len(rows))


def measure(found: Residuals) -> dict[str, Measurement]:
    """Return `<parameter>_<kind>` of the parameters; NaN without two tracks, or two such pulls."""
    measured: dict[str, Measurement] = {}
    for k, name in enumerate(METRIC.values()):
        core = found.core(k)
        values = (
            half_width(found.difference[:, k]) if len(found.particle) > 1 else Measurement(np.nan),
            pull_mean(core) if len(core) > 1 else Measurement(np.nan),
            pull_width(core) if len(core) > 1 else Measurement(np.nan),
            half_width(found.pull[:, k]) if len(found.particle) > 1 else Measurement(np.nan),
        )
        measured |= {f"{name}_{kind}": one for kind, one in zip(KINDS, values, strict=True)}
    return measured
