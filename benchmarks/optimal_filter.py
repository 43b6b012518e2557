"""The optimal filter beside qetpy's and dspeed's: equal amplitudes, and rates on one thread.

    python benchmarks/optimal_filter.py [--events 5000] [--repeats 5] [--peers qetpy dspeed]

Simulated germanium pulses of 512 samples in noise of a given spectrum. qetpy gets shape and
spectrum of our fit, and computes one window after the other, as its interface does; dspeed gets the
coefficients of our filter, which its `convolve_wf` applies to all windows in one call. Its
trapezoidal filter, another estimate of fewer operations, is timed as well. Rates are from
the processor time, a ratio is the median of those of neighbouring repeats. Needs
`pip install qetpy==1.9.1 dspeed==2.4.3` (for this benchmark only).
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
PEERS = ("qetpy", "dspeed")
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


def qetpy_filter(
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


def dspeed_filter(
    coefficients: NDArray[np.float32],
) -> Callable[[NDArray[np.float32]], NDArray[np.float32]]:
    """Return dspeed's convolution of windows (events, samples) with the filter, in place once."""
    try:
        from dspeed.processors import convolve_wf
    except ImportError as error:
        raise SystemExit(f"{error}; run: pip install dspeed==2.4.3") from None
    kernel = np.ascontiguousarray(coefficients[::-1])

    def amplitudes(windows: NDArray[np.float32]) -> NDArray[np.float32]:
        found = np.empty((len(windows), 1), np.float32)
        convolve_wf(windows, kernel, ord("v"), found)
        return found[:, 0]

    return amplitudes


def dspeed_trapezoid(windows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Return dspeed's trapezoidal filter of windows (events, samples), rise 2 µs, flat 0.5 µs."""
    from dspeed.processors import trap_filter

    found = np.empty_like(windows)
    trap_filter(windows, 125, 31, found)
    return found.max(1)


def seconds(work: Callable[[], object]) -> float:
    start = process_time()
    work()
    return process_time() - start


def compare(
    name: str, ours: Callable[[], object], theirs: Callable[[], object], events: int, repeats: int
) -> None:
    """Print the samples a second of both, and the ratio of neighbouring repeats."""
    theirs()  # compiled in the first call
    pairs = [(seconds(ours), seconds(theirs)) for _ in range(repeats)]
    here, there = (events * SAMPLES / median(times) for times in zip(*pairs, strict=True))
    ratios = sorted(b / a for a, b in pairs)
    print(
        f"bunchtrain {here:.3g} samples/s   {name} {there:.3g} samples/s   ratio "
        f"{median(ratios):.3g} ({ratios[0]:.3g} to {ratios[-1]:.3g})"
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--events", type=int, default=5000)
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--peers", nargs="+", choices=PEERS, default=PEERS)
    given = parser.parse_args()
    batch = simulate(given.events)
    loss = MeanSquaredError(Target("pulse", values=("amplitude",)))
    filter_ = OptimalFilter((1, SAMPLES), 1, noise="spectrum")
    filter_.fit([batch], [], loss, seed=1, threads=1)
    raw = batch.inputs["window"][:, 0] - filter_.baseline
    found = filter_(batch.inputs["window"])[:, 0]

    def ours() -> object:
        return filter_(batch.inputs["window"])

    sides: dict[str, tuple[Callable[[], object], bool]] = {}
    if "qetpy" in given.peers:
        theirs, windows = qetpy_filter(*fitted(batch, raw.astype(np.float64))), raw.astype(float)
        sides["qetpy"] = (lambda: theirs(windows), True)
    if "dspeed" in given.peers:
        convolved = dspeed_filter(filter_.filters[0, 0])
        sides["dspeed convolve_wf"] = (lambda: convolved(raw), True)
        sides["dspeed trap_filter"] = (lambda: dspeed_trapezoid(raw), False)
    for name, (work, is_equal) in sides.items():
        if is_equal:
            apart = np.abs(found / np.asarray(work()) - 1).max()
            print(f"{name}: largest relative difference of amplitudes {apart:.1e}")
        compare(name, ours, work, given.events, given.repeats)


def fitted(
    batch: Batch, windows: NDArray[np.float64]
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return shape and spectrum of the noise, of windows (events, samples) less the baseline."""
    centred = batch.targets["pulse"][:, 0] - batch.targets["pulse"].mean()
    shape = centred @ windows / (centred @ centred)
    left = windows - batch.targets["pulse"] * shape
    return shape, (np.abs(np.fft.fft(left)) ** 2).mean(0) * STEP / 1e9 / SAMPLES


if __name__ == "__main__":
    main()
