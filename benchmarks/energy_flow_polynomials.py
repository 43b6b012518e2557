"""All 489 connected Energy Flow Polynomials to degree 7: bunchtrain against EnergyFlow.

    python benchmarks/energy_flow_polynomials.py INTERPRETER [--jets 10000] [--particles 50]

INTERPRETER is the Python of an environment with `energyflow` and numpy < 2. Both compute the same
made-up jets with β = ½ and the hadronic measure, on one thread, in turns. Times are processor
times, without starting up and without choosing the order of the sums, which is done once.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import tempfile
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # EnergyFlow inherits it

import numpy as np

from bunchtrain.physics.energy_flow_polynomials import energy_flow_polynomials, prime_graphs
from bunchtrain.physics.kinematics import from_cylindrical
from bunchtrain.physics.multigraphs import canonical

TURNS = 4
ENERGYFLOW = """
import json, sys, time, numpy as np, energyflow as ef
jets = np.load(sys.argv[1])
polynomials = ef.EFPSet("d<=7", "p==1", "d>0", measure="hadr", beta=0.5, coords="epxpypz")
begin = time.process_time()
values = polynomials.batch_compute(jets, n_jobs=1)
seconds = time.process_time() - begin
np.save(sys.argv[2], values)
edges = [[[int(v) for v in edge] for edge in graph] for graph in polynomials.graphs()]
print(json.dumps({"seconds": seconds, "edges": edges}))
"""


def make_jets(jets: int, particles: int, seed: int = 1) -> np.ndarray:
    """Return (jets, particles, 4) momenta."""
    random = np.random.default_rng(seed)
    plane = random.normal(0, 0.25, (2, jets * particles))
    momenta = from_cylindrical(random.exponential(10, jets * particles) + 0.1, *plane)
    return momenta.reshape(jets, particles, 4)


def theirs(jets: np.ndarray, interpreter: str) -> tuple[float, np.ndarray]:
    """Return EnergyFlow's seconds and its values, in the order of our graphs."""
    with tempfile.TemporaryDirectory() as folder:
        paths = [str(Path(folder) / name) for name in ("jets.npy", "values.npy")]
        np.save(paths[0], jets)
        command = [interpreter, "-c", ENERGYFLOW, *paths]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        values = np.load(paths[1])
    told = json.loads(done.stdout.splitlines()[-1])
    place = {as_graph(edges): column for column, edges in enumerate(told["edges"])}
    return told["seconds"], values[:, [place[graph] for graph in prime_graphs()]]


def as_graph(edges: list[list[int]]) -> tuple[tuple[int, ...], ...]:
    size = max(map(max, edges)) + 1
    matrix = [[0] * size for _ in range(size)]
    for one, other in edges:
        matrix[one][other] += 1
        matrix[other][one] += 1
    return canonical(tuple(map(tuple, matrix)))


def ours(jets: np.ndarray) -> tuple[float, np.ndarray]:
    """Return our seconds and values."""
    count, particles, _ = jets.shape
    momenta, lengths = jets.reshape(-1, 4), np.full(count, particles)
    begin = time.process_time()
    values = energy_flow_polynomials(momenta, lengths, beta=0.5)
    return time.process_time() - begin, values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("interpreter", help="Python interpreter that has energyflow")
    parser.add_argument("--jets", type=int, default=10_000)
    parser.add_argument("--particles", type=int, default=50)
    options = parser.parse_args()
    jets = make_jets(options.jets, options.particles)
    ours(jets[:1])  # chooses the order
    total, apart = np.zeros(2), 0.0
    for some in np.array_split(jets, min(TURNS, len(jets))):
        mine, values = ours(some)
        rival, expected = theirs(some, options.interpreter)
        total += mine, rival
        apart = max(apart, float(np.abs(values / expected - 1).max()))
    rate = len(jets) / total
    print(
        f"{len(jets)} jets of {options.particles} particles, {len(prime_graphs())} polynomials: "
        f"bunchtrain {rate[0]:,.0f} jets/s, EnergyFlow {rate[1]:,.1f} jets/s, "
        f"ratio {rate[0] / rate[1]:.1f}; largest relative difference {apart:.1e}"
    )


if __name__ == "__main__":
    main()
