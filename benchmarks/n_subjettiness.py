"""N-subjettiness: bunchtrain against FastJet contrib from Python, in one run on one thread.

    python benchmarks/n_subjettiness.py [--jets 4000] [--turns 5]

The jets are those of samples/boosted_jets.parquet. Both find exclusive kT axes and move them to a
local minimum. FastJet's time is given with and without clustering the jets, which it needs before
`njettiness` but does not use for the axes; the ratio is without. Processor times; in turns, the
best of each counts.
"""

from __future__ import annotations

import argparse
import os
import time
from collections.abc import Callable
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")

import awkward as ak
import fastjet
import numpy as np

from bunchtrain.physics.n_subjettiness import many_n_subjettiness, phase_space_basis

SAMPLE = Path(__file__).parents[1] / "samples" / "boosted_jets.parquet"
WANTED = {
    "τ1 … τ3": tuple((n, 1.0) for n in (1, 2, 3)),
    "τ1 … τ4": tuple((n, 1.0) for n in (1, 2, 3, 4)),
    "basis of 8 bodies": phase_space_basis(8),
}


def read(jets: int) -> tuple[np.ndarray, np.ndarray]:
    """Return packed momenta and lengths."""
    events = ak.from_parquet(SAMPLE)[:jets]
    columns = [events[f"constituent_{name}"] for name in ("energy", "px", "py", "pz")]
    momenta = np.stack([ak.to_numpy(ak.flatten(each)) for each in columns], axis=1)
    return momenta.astype(np.float64), ak.to_numpy(ak.num(columns[0])).astype(np.int64)


def seconds(work: Callable[[], object]) -> tuple[float, object]:
    begin = time.process_time()
    done = work()
    return time.process_time() - begin, done


def njettiness(
    clustered: fastjet.ClusterSequence, wanted: tuple[tuple[int, float], ...]
) -> np.ndarray:
    """Return (jets, wanted) as FastJet contrib has it."""
    values = np.empty((0, len(wanted)))
    for beta in sorted({beta for _, beta in wanted}):
        columns = [i for i, pair in enumerate(wanted) if pair[1] == beta]
        found = clustered.njettiness(
            njets=[wanted[i][0] for i in columns],
            beta=beta,
            R0=0.8,
            axes_definition="OnePass_KT_Axes",
        )
        found = np.reshape(ak.to_numpy(found), (-1, len(columns)))
        if not len(values):
            values = np.empty((len(found), len(wanted)))
        values[:, columns] = found
    return values


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jets", type=int, default=4000)
    parser.add_argument("--turns", type=int, default=5)
    options = parser.parse_args()
    momenta, lengths = read(options.jets)
    names = ("E", "px", "py", "pz")
    fields = {name: ak.unflatten(momenta[:, i].copy(), lengths) for i, name in enumerate(names)}
    events = ak.zip(fields, with_name="Momentum4D")
    definition = fastjet.JetDefinition(fastjet.kt_algorithm, 100.0)
    print(f"{len(lengths)} jets of {lengths.mean():.0f} particles on average")
    for name, wanted in WANTED.items():
        turns = []
        for _ in range(options.turns):
            mine, values = seconds(lambda w=wanted: many_n_subjettiness(momenta, lengths, w))
            first, clustered = seconds(lambda: fastjet.ClusterSequence(events, definition))
            second, expected = seconds(lambda c=clustered, w=wanted: njettiness(c, w))
            turns.append((mine, second, first + second))
        same = np.isclose(values, expected, rtol=1e-6, atol=1e-9).mean()
        rate = len(lengths) / np.min(turns, axis=0)
        print(
            f"{name}: bunchtrain {rate[0]:,.0f} jets/s, FastJet {rate[1]:,.0f} "
            f"(with clustering {rate[2]:,.0f}), ratio {rate[0] / rate[1]:.2f}; "
            f"{same:.2%} of the values the same to 1e-6"
        )


if __name__ == "__main__":
    main()
