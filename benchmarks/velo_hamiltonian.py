"""Tracks in the VELO by a linear solve: the sparse solve beside a dense one of the same system.

    python benchmarks/velo_hamiltonian.py [--files lhcb_velo_minbias.npz] [--events 5] [--repeats 3]

The systems are those that `track_hamiltonian` solves for events of the VELO, one at a time; without
`--files` those of simulated straight tracks. Dense are `scipy.linalg.solve` by Cholesky (the
matrix is positive definite) and, as `numpy.linalg.solve`, by LU. Processor time of one thread, the
medians of repeats; all three solutions must agree to 1e-8.
"""

from __future__ import annotations

import argparse
import json
import os
from collections.abc import Callable
from statistics import median
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import awkward as ak
import numpy as np
import scipy.linalg
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table as Printed
from scipy.sparse import csc_array

from bunchtrain.simulation.straight_tracks import StraightTracks
from bunchtrain.tables.sources.lhcb_velo import LhcbVelo
from bunchtrain.transforms.track_hamiltonian import TrackHamiltonian

Floats = NDArray[np.float64]
COLUMNS = ("hit_x", "hit_y", "hit_z", "hit_module")


def systems(events: ak.Array, method: TrackHamiltonian) -> list[csc_array]:
    """Return the matrix of each event."""
    found = []
    for event in events:
        x, y, z, module = (ak.to_numpy(event[name]).astype(np.float64) for name in COLUMNS)
        place, counts = np.stack([x, y, z], 1), np.array([len(x)])
        built = method.build(place, module, counts, max(method.scatter))
        found.append(method.matrix(len(built), built.inner, built.outer))
    return found


def timed(solve: Callable[[], Floats], repeats: int) -> tuple[float, Floats]:
    """Return the median processor time in s, and the solution."""
    times = []
    for _ in range(repeats):
        start = process_time()
        found = solve()
        times.append(process_time() - start)
    return median(times), found


def compare(matrix: csc_array, method: TrackHamiltonian, repeats: int) -> dict[str, float]:
    """Return the size of a system and the times of its solutions in s."""
    size, dense = matrix.shape[0], matrix.toarray()
    pull = np.full(size, method.delta)
    solvers: dict[str, Callable[[], Floats]] = {
        "sparse": lambda: method.solve(matrix),
        "Cholesky": lambda: scipy.linalg.solve(dense, pull, assume_a="pos"),
        "LU": lambda: np.linalg.solve(dense, pull),
    }
    result: dict[str, float] = {"segments": size}
    solutions = []
    for name, solve in solvers.items():
        result[name], solution = timed(solve, repeats)
        solutions.append(solution)
    for other in solutions[1:]:
        np.testing.assert_allclose(other, solutions[0], atol=1e-8)
    return result


def main() -> None:
    """Print the table, and the ratios of the medians as JSON."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", help="NPZ file of VELO events")
    parser.add_argument("--events", type=int, default=5)
    parser.add_argument("--repeats", type=int, default=3)
    given = parser.parse_args()
    method = TrackHamiltonian()
    source = (
        LhcbVelo(files=given.files)
        if given.files
        else StraightTracks(events=given.events, particles=150, noise=150)
    )
    events = next(iter(source.blocks(COLUMNS, given.events)))
    found = [compare(matrix, method, given.repeats) for matrix in systems(events, method)]
    table = Printed("segments", "sparse (s)", "dense, Cholesky (s)", "dense, LU (s)", "ratio")
    for one in found:
        ratio = one["Cholesky"] / one["sparse"]
        times = [f"{one[name]:.4f}" for name in ("sparse", "Cholesky", "LU")]
        table.add_row(f"{one['segments']:.0f}", *times, f"{ratio:.0f}")
    Console().print(table)
    total = {name: sum(one[name] for one in found) for name in ("sparse", "Cholesky", "LU")}
    ratios = {name: round(total[name] / total["sparse"], 1) for name in ("Cholesky", "LU")}
    print(json.dumps({"events": len(found), "dense over sparse": ratios}))


if __name__ == "__main__":
    main()
