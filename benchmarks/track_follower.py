"""Predictions of the next measurement of tracks by the follower, and by filterpy's Kalman filter.

    python benchmarks/track_follower.py [--tracks 4096] [--measurements 9] [--rounds 5]

Both predict and take in the same number of measurements of two values of the same tracks: an LSTM
with the size of the study `track_follower`, from its inputs to means, σ and correlations; and
filterpy's filter of five parameters from its matrices F, Q, H and R, which are given, by its class,
its functions, and its `batch_filter`. Times are of the processor, of one thread, the smallest of
the rounds, in alternation. The inputs of the follower, helix fits in the planes of the modules,
are timed apart, since filterpy gets its matrices.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import numpy as np
import torch
from filterpy.kalman import KalmanFilter, batch_filter, predict, update
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table
from torch import nn

from bunchtrain.heads.multivariate_gaussian_nll import MultivariateGaussianNLL
from bunchtrain.methods.supervised import Network
from bunchtrain.networks.recurrent_network import RecurrentNetwork
from bunchtrain.physics.helices import Helix, Planes, local
from bunchtrain.targets import Target
from bunchtrain.transforms._track_states import Tracks
from bunchtrain.transforms._track_steps import track_steps

FEATURES, HIDDEN = 39, 96
Floats = NDArray[np.float64]


def follower(tracks: int, measurements: int) -> Callable[[], object]:
    """Return the predictions by the network of `measurements` of each track."""
    head = MultivariateGaussianNLL(Target("next", values=("loc0", "loc1"), axis="point"))
    model = RecurrentNetwork(FEATURES, 1, hidden=HIDDEN, causal=True)
    network = Network(nn.Identity(), model, {"next": head.outputs}, axes={"next": "point"}).eval()
    inputs = {
        "features": torch.randn(tracks * measurements, FEATURES),
        "lengths": torch.full((tracks,), measurements),
    }

    def run() -> object:
        with torch.inference_mode():
            return head.predictions(network(inputs)["next"])

    return run


def filters(tracks: int, measurements: int) -> dict[str, Callable[[], object]]:
    """Return name → the same by filterpy, track by track."""
    random = np.random.default_rng(1)
    zs = random.normal(size=(tracks, measurements, 2))
    f, h = np.eye(5) + 0.1 * np.eye(5, k=2), np.eye(2, 5)
    q, r, p = 1e-3 * np.eye(5), 0.1 * np.eye(2), np.eye(5)

    def by_class() -> object:
        one = KalmanFilter(dim_x=5, dim_z=2)
        one.F, one.H, one.Q, one.R = f, h, q, r
        for z in zs:
            one.x, one.P = np.zeros(5), p
            for measured in z:
                one.predict()
                one.update(measured)
        return one.x

    def by_functions() -> object:
        for z in zs:
            x, covariance = np.zeros(5), p
            for measured in z:
                x, covariance = predict(x, covariance, f, q)
                x, covariance = update(x, covariance, measured, r, h)
        return x

    every = [[one] * measurements for one in (f, q, h, r)]

    def by_batch() -> object:
        for z in zs:
            found = batch_filter(np.zeros(5), p, z, *every)
        return found

    return {"class": by_class, "functions": by_functions, "batch_filter": by_batch}


def made_tracks(count: int, measurements: int) -> Tracks:
    """Return helices from the origin measured in planes across them, three more than predicted."""
    random, size = np.random.default_rng(2), (count, measurements + 3)
    helix = Helix(
        np.zeros((count, 3)),
        random.uniform(-np.pi, np.pi, count),
        random.choice([-1, 1], count) * 0.6e-3 / random.uniform(1, 10, count),
        random.normal(0, 1, count),
    )
    s = np.broadcast_to(np.linspace(30, 900, size[1]), size)
    place, direction = helix.at(s)
    first = np.cross(direction, np.array([0.0, 0, 1]))
    first /= np.linalg.norm(first, axis=-1, keepdims=True)
    planes = Planes(place, np.stack([first, np.cross(direction, first)], -2))
    at = local(helix, planes, s) + 0.02 * random.normal(size=(*size, 2))
    number, none = np.broadcast_to(np.arange(size[1]), size), np.zeros(count)
    whole = none.astype(np.int64)
    return Tracks(
        whole, whole, none + 1, none, whole, whole + size[1], number, number, number,
        planes.middle, planes.axes, at, np.full_like(at, 4e-4), at, np.ones((*size, 3)),
    )  # fmt: skip


def main() -> None:
    """Print the rates and their ratios."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--tracks", type=int, default=4096)
    parser.add_argument("--measurements", type=int, default=9)
    parser.add_argument("--rounds", type=int, default=5)
    given = parser.parse_args()
    torch.set_num_threads(1)
    tracks = made_tracks(given.tracks, given.measurements)
    ways = {"follower": follower(given.tracks, given.measurements)}
    ways |= filters(given.tracks, given.measurements)
    ways["inputs of the follower"] = lambda: track_steps(tracks, 0.012, 2.0)
    times = dict.fromkeys(ways, np.inf)
    for _ in range(given.rounds):
        for name, run in ways.items():
            start = process_time()
            run()
            times[name] = min(times[name], process_time() - start)
    best = min(times[name] for name in ("class", "functions", "batch_filter"))
    table = Table("", "tracks/s", "× the best of filterpy")
    for name, time in times.items():
        table.add_row(name, f"{given.tracks / time:,.0f}", f"{best / time:.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
