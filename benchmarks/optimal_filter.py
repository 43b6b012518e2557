"""The optimal filter beside qetpy's: equal amplitudes, and windows a second on one thread.

    python benchmarks/optimal_filter.py [--events 5000] [--repeats 5]

Simulated germanium pulses of 512 samples in noise of a given spectrum. qetpy gets shape and
spectrum of our fit, and computes one window after the other, as its interface does. Rates are from
the processor time, a ratio is the median of those of neighbouring repeats. Needs
`pip install qetpy==1.9.1` (for this benchmark only).
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from statistics import median
from time import process_time

os.environ.setdefault("OMP_NUM_THREADS", "1")

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain import parts
from bunchtrain.batch import Batch
from bunchtrain.heads.mean_squared_error import MeanSquaredError
from bunchtrain.networks.fitted.optimal_filter import OptimalFilter
from bunchtrain.targets import Target

SAMPLES, STEP = 512, 16.0
SOURCE = {
    **{"sensor": "germanium", "samples": SAMPLES, "step": STEP, "drift_time": 200},
    **{"time": [2000, 2000], "amplitude": [1, 10], "noise": 0.2},
    **{"noise_frequency": [0.05, 1, 31], "noise_density": [20, 2, 1]},
}


def simulate(events: int) -> Batch:
    """Return windows (events, 1, samples) and their amplitudes."""
    source = parts.build("source", "sensor_pulses", {"events": events, **SOURCE})
    made = ak.concatenate([source.generate(part) for part in range(-(-events // 250))])[:events]
    window = ak.to_numpy(made.sample_value).astype(np.float32)[:, None]
    amplitude = ak.to_numpy(made.amplitude)[:, None]
    return Batch({"window": window}, {"pulse": amplitude}, np.ones(events, np.float32))


def peer(
    shape: NDArray[np.float64], spectrum: NDArray[np.float64]
) -> Callable[[NDArray[np.float64]], list[float]]:
    """Return qetpy's filter of windows (events, samples), without a search for the time."""
    try:
        from qetpy.core import OF1x1
    except ImportError as error:
        raise SystemExit(f"{error}; run: pip install qetpy==1.9.1") from None
    rate = 1e9 / STEP
    options = {"pretrigger_samples": SAMPLES // 4, "coupling": "DC", "verbose": False}
    one = OF1x1(template=shape, psd=spectrum, sample_rate=rate, **options)

    def amplitudes(windows: NDArray[np.float64]) -> list[float]:
        found = []
        for window in windows:
            one.calc(signal=window, lgc_fit_withdelay=False, lgc_fit_nodelay=True)
            found.append(one.get_result_nodelay()[0])
        return found

    return amplitudes


def seconds(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    given = parser.parse_args()
    batch = simulate(given.events)
    loss = MeanSquaredError(Target("pulse", values=("amplitude",)))
    ours = OptimalFilter((1, SAMPLES), 1, noise="spectrum")
    ours.fit([batch], [], loss, seed=1, threads=1)
    windows = batch.inputs["window"].astype(np.float64)[:, 0] - ours.baseline
    centred = batch.targets["pulse"][:, 0] - batch.targets["pulse"].mean()
    shape = centred @ windows / (centred @ centred)
    left = windows - batch.targets["pulse"] * shape
    power = (np.abs(np.fft.fft(left)) ** 2).mean(0)
    theirs = peer(shape, power * STEP / 1e9 / SAMPLES)
    expected, found = np.array(theirs(windows)), ours(batch.inputs["window"])[:, 0]
    apart = np.abs(found / expected - 1).max()
    print(f"largest relative difference of amplitudes: {apart:.1e}")
    sides = (lambda: ours(batch.inputs["window"]), lambda: theirs(windows))
    pairs = [tuple(map(seconds, sides)) for _ in range(given.repeats)]
    here, there = (given.events / median(times) for times in zip(*pairs, strict=True))
    ratios = sorted(b / a for a, b in pairs)
    print(
        f"bunchtrain {here:,.0f} windows/s   qetpy {there:,.0f} windows/s   ratio "
        f"{median(ratios):,.0f} ({ratios[0]:,.0f} to {ratios[-1]:,.0f})"
    )


if __name__ == "__main__":
    main()
