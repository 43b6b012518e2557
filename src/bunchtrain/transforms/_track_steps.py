"""The prediction of each measurement of a track by a helix through the earlier ones."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.physics.helices import (
    Floats,
    Helix,
    Planes,
    cross,
    fit,
    local,
    local_derivatives,
    through,
)
from bunchtrain.transforms._track_states import Ints, Tracks

#: pT in GeV of a radius of 1 mm at 1 T.
_PT = 2.99792458e-4
#: Mass in GeV in the velocity of the particles: that of a muon, which is near that of a pion.
_MASS = 0.105658
#: Earlier measurements whose distances from the fit are given.
_BACK = 3
OF_TRACKS = {"track_pt": "float32", "track_eta": "float32", "track_pdg": "int64"}
#: Other fits: name → factor on the variance by scattering in the weights.
OTHER_WEIGHTS = {"stiff": 0.1, "loose": 10.0}
_PREDICTED = ("loc0", "loc1", "loc0_sigma", "loc1_sigma", "loc0_loc1_correlation")
_FLOAT = (
    *("loc0", "loc1", "variance0", "variance1", "fit0", "fit1", "scale0", "scale1"),
    *("residual0", "residual1"),
    *(f"{name}_{one}" for name in ("helix", "kalman") for one in _PREDICTED),
    *("last0", "last1", *(f"off{k}_{a}" for k in range(_BACK) for a in (0, 1))),
    *("fit_pt", "fit_slope", "fit_pt_error", "radius", "z", "step", "past_radius", "past_z"),
    *(f"{when}_{n}" for when in ("next", "past") for n in ("along0", "along1", "across")),
    *(f"{name}{a}" for name in OTHER_WEIGHTS for a in (0, 1)),
    *("past_variance0", "past_variance1", "past_step0", "past_step1", "same_layer"),
)
OF_STEPS = dict.fromkeys(_FLOAT, "float32") | dict.fromkeys(
    ("surface", "volume", "layer", "number"), "int64"
)


@dataclass
class _State:
    """The helix of each track, and its last distance from a measurement in standard deviations."""

    helix: Helix
    last: Floats  # (n, 2)


def track_steps(tracks: Tracks, material: float, field: float) -> dict[str, Any]:
    """Return the columns of the tracks that have a measurement after three layers.

    `kept` are the indices of these tracks; lists have a value for each of these measurements.

    material  thickness of a module in radiation lengths.
    field     in tesla.
    """
    new = np.diff(tracks.volume * 1000 + tracks.layer, axis=1, prepend=-1) != 0
    layers = np.cumsum(new, axis=1)  # seen with each measurement
    state = _State(_seed(tracks, layers), np.zeros((len(tracks.count), 2)))
    found: list[dict[str, NDArray[Any]]] = []
    for seen in range(3, int(tracks.count.max(initial=0))):
        rows = np.flatnonzero((tracks.count > seen) & (layers[:, seen - 1] >= 3))
        if len(rows):
            is_first = layers[rows, seen - 2] < 3 if seen > 3 else np.ones(len(rows), bool)
            found.append(_step(tracks, rows, seen, state, is_first, material, field))
    return _collect(tracks, found)


def _collect(tracks: Tracks, found: list[dict[str, NDArray[Any]]]) -> dict[str, Any]:
    names = [*OF_STEPS, "track"]
    every = {n: np.concatenate([one[n] for one in found]) if found else np.zeros(0) for n in names}
    order = np.lexsort((every["number"], every["track"]))
    kept, counts = np.unique(every["track"].astype(np.int64), return_counts=True)
    columns: dict[str, Any] = {"kept": kept}
    for name, kind in OF_STEPS.items():
        columns[f"measurement_{name}"] = ak.unflatten(every[name][order].astype(kind), counts)
    of_tracks: Mapping[str, Any] = {"pt": tracks.pt, "eta": tracks.eta, "pdg": tracks.pdg}
    for name, kind in OF_TRACKS.items():
        columns[name] = of_tracks[name.removeprefix("track_")][kept].astype(kind)
    return columns


def _seed(tracks: Tracks, layers: Ints) -> Helix:
    """Return the helix through the first measurement of each of the first three layers."""
    last = (tracks.count - 1)[:, None]
    first = np.stack([np.argmax(layers >= number, axis=1) for number in (1, 2, 3)], 1)
    first = np.minimum(first, last)
    row = np.arange(len(first))[:, None]
    place = tracks.middle + np.einsum("nma,nmax->nmx", tracks.local, tracks.axes)
    return through(place[row, first])


def _step(
    tracks: Tracks,
    rows: Ints,
    seen: int,
    state: _State,
    is_first: NDArray[np.bool_],
    material: float,
    field: float,
) -> dict[str, NDArray[Any]]:
    """Return the columns of the measurement after `seen` others; the helices are updated."""
    planes = Planes(tracks.middle[rows, : seen + 1], tracks.axes[rows, : seen + 1])
    past, ahead = planes[:, :seen], planes[:, seen:]
    measured, variance = tracks.local[rows, :seen], tracks.variance[rows, :seen]
    every = state.helix
    helix = Helix(every.place[rows], every.phi[rows], every.curvature[rows], every.slope[rows])
    helix = helix.pivoted(cross(helix, past[:, -1:])[:, 0])
    total = variance + _scattering(helix, past, material, field)
    helix, covariance = fit(helix, past, measured, total)
    again = np.flatnonzero(is_first)  # begins with a helix through three of the measurements
    if len(again):
        own = Helix(*(v[again] for v in (helix.place, helix.phi, helix.curvature, helix.slope)))
        total[again] = variance[again] + _scattering(own, past[again], material, field)
        own, covariance[again] = fit(own, past[again], measured[again], total[again], rounds=2)
        for name in ("place", "phi", "curvature", "slope"):
            getattr(helix, name)[again] = getattr(own, name)
    for name in ("place", "phi", "curvature", "slope"):
        getattr(every, name)[rows] = getattr(helix, name)
    made = _prediction(tracks, rows, seen, helix, covariance, ahead)
    made |= {f"last{k}": state.last[rows, k] for k in (0, 1)}
    state.last[rows] = np.stack([made["residual0"], made["residual1"]], 1)
    made |= _past(helix, past, measured, variance, total)
    scale = np.stack([made["scale0"], made["scale1"]], 1)
    for name, factor in OTHER_WEIGHTS.items():
        weights = variance + factor * (total - variance)
        other, _ = fit(helix, past, measured, weights)
        expected = local(other, ahead, cross(other, ahead))[:, 0]
        off = (expected - np.stack([made["fit0"], made["fit1"]], 1)) / scale
        made |= {f"{name}{k}": off[:, k] for k in (0, 1)}
    made["fit_pt"] = field * _PT / np.maximum(np.abs(helix.curvature), 1e-9)
    made["fit_pt_error"] = np.sqrt(covariance[:, 2, 2]) / np.maximum(np.abs(helix.curvature), 1e-9)
    made["fit_slope"] = np.abs(helix.slope)
    return made | {"track": rows, "number": np.full(len(rows), seen)}


def _scattering(helix: Helix, planes: Planes, material: float, field: float) -> Floats:
    """Return the variance, (n, m, 2), of local coordinates by the scattering after each plane."""
    s = cross(helix, planes)
    along = np.sqrt(1 + helix.slope**2)
    path, direction = s * along[:, None], helix.at(s)[1]
    p = field * _PT / np.maximum(np.abs(helix.curvature), 1e-9) * along
    beta_p = p**2 / np.hypot(p, _MASS)
    straight = np.maximum(np.abs((planes.normal * direction).sum(-1)), 0.05)
    angle = (0.0136 / np.maximum(beta_p, 0.01))[:, None] ** 2 * material / straight
    sums = [_after(angle * path**power) for power in range(3)]
    variance = np.maximum(sums[2] - 2 * path * sums[1] + path**2 * sums[0], 0)
    leaning = np.einsum("nmax,nmx->nma", planes.axes, direction) / straight[..., None]
    return np.asarray(variance[..., None] * (1 + leaning**2))


def _after(values: Floats) -> Floats:
    """Return the sum of the values after each one, (n, m)."""
    return np.asarray(values[:, ::-1].cumsum(1)[:, ::-1] - values)


def _signs(helix: Helix, planes: Planes, direction: Floats) -> Floats:
    """Return 1 or −1 for each local axis, (n, m, 2): along the bend, and away from the middle."""
    x, y, z = np.moveaxis(direction, -1, 0)
    flat = np.maximum(np.hypot(x, y), 1e-9)
    bend = np.stack([-y / flat, x / flat, 0 * x], -1) * np.sign(helix.curvature)[:, None, None]
    away = np.stack([-z * x / flat, -z * y / flat, flat], -1)
    away = away * np.sign(helix.slope)[:, None, None]
    both = np.stack([bend, away], -2)
    return np.where((planes.axes * both).sum(-1) < 0, -1.0, 1.0)


def _incidence(helix: Helix, planes: Planes, s: Floats) -> tuple[Floats, Floats]:
    """Return signs (n, m, 2), and the direction in the module with them (n, m, 3)."""
    direction = helix.at(s)[1]
    signs = _signs(helix, planes, direction)
    along = np.einsum("nmax,nmx->nma", planes.axes, direction) * signs
    across = np.abs((planes.normal * direction).sum(-1))
    return signs, np.concatenate([along, across[..., None]], -1)


def _prediction(
    tracks: Tracks, rows: Ints, seen: int, helix: Helix, covariance: Floats, ahead: Planes
) -> dict[str, NDArray[Any]]:
    """Return the measurement, the prediction of the helix and that of the Kalman filter."""
    s = cross(helix, ahead, rounds=6)
    change = local_derivatives(helix, ahead, s)[:, 0]
    expected = local(helix, ahead, s)[:, 0]
    spread = np.einsum("nap,npq,nbq->nab", change, covariance, change)
    variance, measured = tracks.variance[rows, seen], tracks.local[rows, seen]
    signs, incidence = _incidence(helix, ahead, s)
    filtered = tracks.covariance[rows, seen][:, [0, 1, 1, 2]].reshape(-1, 2, 2)
    resolution = variance[:, :, None] * np.eye(2)
    scale = signs[:, 0] * np.sqrt(np.einsum("naa->na", spread + resolution))
    kalman = (tracks.predicted[rows, seen] - expected) / scale
    place = helix.at(s)[0][:, 0]
    made = {"step": s[:, 0], "z": np.abs(place[:, 2]), "radius": np.hypot(*place[:, :2].T)}
    pairs = {"loc": measured, "variance": variance, "fit": expected, "scale": scale}
    pairs |= {"residual": (measured - expected) / scale}
    made |= {f"{name}{k}": value[:, k] for name, value in pairs.items() for k in (0, 1)}
    made |= _predicted("helix", 0 * kalman, spread + resolution, scale)
    made |= _predicted("kalman", kalman, filtered + resolution, scale)
    names = ("along0", "along1", "across")
    made |= {f"next_{name}": incidence[:, 0, k] for k, name in enumerate(names)}
    for name in ("surface", "volume", "layer"):
        made[name] = getattr(tracks, name)[rows, seen]
    before = (tracks.volume[rows, seen - 1], tracks.layer[rows, seen - 1])
    made["same_layer"] = (made["volume"] == before[0]) & (made["layer"] == before[1])
    return made


def _predicted(
    name: str, value: Floats, covariance: Floats, scale: Floats
) -> dict[str, NDArray[Any]]:
    """Return values (n, 2), σ and correlation of a prediction, in units of the scale."""
    size = np.sqrt(np.einsum("naa->na", covariance))
    correlation = covariance[:, 0, 1] * np.sign(scale[:, 0] * scale[:, 1]) / size.prod(1)
    sigma = size / np.abs(scale)
    found = (value[:, 0], value[:, 1], sigma[:, 0], sigma[:, 1], correlation)
    return {f"{name}_{one}": column for one, column in zip(_PREDICTED, found, strict=True)}


def _past(
    helix: Helix, past: Planes, measured: Floats, variance: Floats, total: Floats
) -> dict[str, NDArray[Any]]:
    """Return the distances of the last measurements from the fit, and where they are."""
    s = cross(helix, past)
    signs, incidence = _incidence(helix, past, s)
    off = (measured - local(helix, past, s)) * signs / np.sqrt(total)
    place = helix.at(s)[0][:, -1]
    made = {f"off{k}_{a}": off[:, -1 - k, a] for k in range(_BACK) for a in (0, 1)}
    names = ("along0", "along1", "across")
    made |= {f"past_{name}": incidence[:, -1, k] for k, name in enumerate(names)}
    made |= {f"past_variance{a}": variance[:, -1, a] for a in (0, 1)}
    made |= {f"past_step{k}": s[:, -1 - k] - s[:, -2 - k] for k in (0, 1)}
    radius = np.hypot(place[:, 0], place[:, 1])
    return made | {"past_radius": radius, "past_z": np.abs(place[:, 2])}
