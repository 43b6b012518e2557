"""N-subjettiness: bunchtrain against FastJet contrib from Python, in one run on one thread.

Ours is taken in NumPy and, where numba is installed, in compiled loops.

    python benchmarks/n_subjettiness.py [--jets 4000] [--turns 5]

The jets are those of samples/boosted_jets.parquet. Both find exclusive kT axes and move them to a
local minimum. FastJet's time is given with and without clustering the jets, which it needs before
`njettiness` but does not use for the axes; the ratio is without. Processor times, in turns: rates
are those of the best turn of each, ratios the median and range of the turns.
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

from bunchtrain.physics import n_subjettiness
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
        compare(name, wanted, momenta, lengths, (events, definition), options.turns)


def in_numpy(
    momenta: np.ndarray, lengths: np.ndarray, wanted: tuple[tuple[int, float], ...]
) -> np.ndarray:
    before, n_subjettiness.COMPILED_FROM = n_subjettiness.COMPILED_FROM, len(lengths) + 1
    try:
        return many_n_subjettiness(momenta, lengths, wanted)
    finally:
        n_subjettiness.COMPILED_FROM = before


def compare(
    name: str,
    wanted: tuple[tuple[int, float], ...],
    momenta: np.ndarray,
    lengths: np.ndarray,
    clustering: tuple[ak.Array, fastjet.JetDefinition],
    number: int,
) -> None:
    """Print rates, ratios (median and range over the turns) and the agreement of the values."""
    turns = []
    many_n_subjettiness(momenta, lengths, wanted)  # is compiled now
    for _ in range(number):
        mine, values = seconds(lambda: many_n_subjettiness(momenta, lengths, wanted))
        plain, same = seconds(lambda: in_numpy(momenta, lengths, wanted))
        first, clustered = seconds(lambda: fastjet.ClusterSequence(*clustering))
        second, expected = seconds(lambda c=clustered: njettiness(c, wanted))
        turns.append((mine, plain, second, first + second))
    agree = np.isclose(values, expected, rtol=1e-6, atol=1e-9).mean()
    itself = np.isclose(values, same, rtol=1e-9, atol=1e-12).mean()
    times = np.array(turns)
    rate = len(lengths) / np.min(times, axis=0)
    ratios = [np.sort(times[:, 2] / times[:, k]) for k in (0, 1)]
    compiled, plain = (f"{np.median(r):.2f} ({r[0]:.2f} to {r[-1]:.2f})" for r in ratios)
    print(
        f"{name}: bunchtrain {rate[0]:,.0f} jets/s, in NumPy {rate[1]:,.0f}, FastJet "
        f"{rate[2]:,.0f} (with clustering {rate[3]:,.0f}); ratio {compiled}, in NumPy {plain}; "
        f"{agree:.2%} of the values those of FastJet to 1e-6, {itself:.2%} those in NumPy to 1e-9"
    )


if __name__ == "__main__":
    main()
