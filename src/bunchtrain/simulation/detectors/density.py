"""Density of tracks along the beam and of the vertices that they come from, in bins of z.

A track i with z_i ± σ_i at the beam has in bin b the probability P_ib, the integral of a Gaussian,
and the weight w_i = exp(−s_i²/2) with the significance s_i of its transverse impact parameter: that
of coming from the beam. The kernels are those of PV-Finder (arXiv:2007.01023, arXiv:2309.12417),
Σ w P and Σ w P², and three more.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy.special import ndtr

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Density Σ w P; Σ w P²; number of compatible tracks Σ w exp(−δ²/2) with the distance δ of the
#: track to the bin in units of σ; Σ w P min(pT, 10 GeV); density of displaced tracks Σ (1 − w) P.
CHANNELS = ("tracks", "squares", "compatible", "momentum", "displaced")
#: Standard deviations within which a track counts, and the largest one in mm.
REACH, WIDEST = 4.0, 2.0
HARDEST = 10.0


def spread(z: Floats, sigma: Floats, low: float, width: float, bins: int) -> tuple[Ints, Ints]:
    """Return the index of each track, and the bins within `REACH` σ of it, (pairs,) each.

    z, sigma  (tracks,) in mm.
    low       lower edge of the first bin in mm.
    width     of the bins in mm.
    """
    first = np.floor((z - REACH * sigma - low) / width).astype(np.int64)
    last = np.floor((z + REACH * sigma - low) / width).astype(np.int64)
    first, last = np.maximum(first, 0), np.minimum(last, bins - 1)
    count = np.maximum(last - first + 1, 0)
    track = np.repeat(np.arange(len(z)), count)
    within = np.arange(len(track)) - np.repeat(np.cumsum(count) - count, count)
    return track, first[track] + within


def content(z: Floats, sigma: Floats, track: Ints, place: Ints, low: float, width: float) -> Floats:
    """Return the integrals of Gaussians over bins, (pairs,), see `spread`."""
    edge = (low + place * width - z[track]) / sigma[track]
    return np.asarray(ndtr(edge + width / sigma[track]) - ndtr(edge))


def track_density(
    event: Ints,
    z: Floats,
    sigma: Floats,
    weight: Floats,
    pt: Floats,
    events: int,
    grid: tuple[float, float, int],
) -> Floats:
    """Return the kernels of events, (events, bins, 5), see `CHANNELS`.

    event      (tracks,) index of the event of each track.
    z, sigma   (tracks,) of tracks at the beam in mm; a larger σ than `WIDEST` counts as that.
    weight     (tracks,) w of each track.
    pt         (tracks,) in GeV.
    grid       lower edge and width of the bins in mm, and their number.
    """
    low, width, bins = grid
    sigma = np.minimum(sigma, WIDEST)
    track, place = spread(z, sigma, low, width, bins)
    part = content(z, sigma, track, place, low, width)
    apart = np.abs(low + (place + 0.5) * width - z[track]) - width / 2
    near = np.exp(-0.5 * (np.maximum(apart, 0) / sigma[track]) ** 2)
    own = weight[track]
    hard = np.minimum(pt, HARDEST)[track]
    values = (own * part, own * part**2, own * near, own * part * hard, (1 - own) * part)
    flat = event[track] * bins + place
    made = [np.bincount(flat, one, events * bins) for one in values]
    return np.asarray(np.stack(made, 1), np.float64).reshape(events, bins, len(CHANNELS))


def vertex_density(
    event: Ints, z: Floats, sigma: Floats, events: int, grid: tuple[float, float, int]
) -> Floats:
    """Return the expected number of vertices in each bin, (events, bins): Gaussians of area 1.

    event     (vertices,) index of the event.
    z, sigma  (vertices,) place and width in mm.
    grid      lower edge and width of the bins in mm, and their number.
    """
    low, width, bins = grid
    vertex, place = spread(z, sigma, low, width, bins)
    part = content(z, sigma, vertex, place, low, width)
    flat = event[vertex] * bins + place
    return np.asarray(np.bincount(flat, part, events * bins).reshape(events, bins))
