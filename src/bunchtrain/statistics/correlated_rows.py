"""Uncertainties of metrics of points and edges, which are correlated within their event."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics import Measurement, Metrics
from bunchtrain.statistics.metrics.efficiency import efficiency_interval

#: Replicas of the bootstrap, fewer where rows · replicas exceeds `ROWS`, but at least `FEWEST`.
REPLICAS, FEWEST, ROWS = 100, 25, 20_000_000


def ratio_of_sums(
    numerator: NDArray[Any], denominator: NDArray[Any], weights: NDArray[Any] | None = None
) -> Measurement:
    """Return R = Σ_e w_e a_e / Σ_e w_e b_e of independent events e, NaN without a denominator.

    Its variance, with any correlation within the events, is n/(n − 1) Σ_e w_e² (a_e − R b_e)² /
    (Σ_e w_e b_e)² (Cochran 1977, chapter 6). A fraction, of which no a_e exceeds b_e, has the
    interval of an efficiency.

    numerator    (events,) a_e, such as the number of reconstructed particles.
    denominator  (events,) b_e, such as the number of particles.
    weights      (events,) or None for equal weights.
    """
    weight = np.ones(len(numerator)) if weights is None else weights.astype(np.float64)
    total = float((weight * denominator).sum())
    if not total > 0:
        return Measurement(np.nan)
    value = float((weight * numerator).sum()) / total
    residual, events = weight * (numerator - value * denominator), len(numerator)
    if events < 2:
        return Measurement(value)
    error = float(np.sqrt(events / (events - 1) * (residual**2).sum())) / total
    if np.any(numerator < 0) or np.any(numerator > denominator):
        return Measurement(value, error)
    # A fraction of which all or nothing passes has the error of one row.
    is_certain = error == 0 and value in (0, 1)
    error = 1 / (float(denominator.sum()) + 1) if is_certain else error
    if error == 0:
        return Measurement(value, error)
    return Measurement(value, error).with_interval(*efficiency_interval(value, error))


def cluster_bootstrap(
    measure: Callable[[NDArray[np.float64]], Metrics],
    event: NDArray[Any],
    weights: NDArray[Any],
    seed: int = 1,
) -> Metrics:
    """Return metrics of rows with the uncertainties of a bootstrap of whole events.

    In a replica all rows of an event count n times, n from a Poisson distribution of mean 1; the
    uncertainty is the standard deviation over the replicas, in place of an asymmetric interval.
    Replicas without a value are left out, and lower limits are unchanged.

    measure  weights of the rows (rows,) → metrics.
    event    (rows,) index of the event of each row.
    weights  (rows,).
    """
    found = measure(weights.astype(np.float64))
    random, events = np.random.default_rng(seed), int(event.max(initial=-1)) + 1
    replicas = int(np.clip(ROWS // max(1, len(event)), FEWEST, REPLICAS))
    values: dict[str, list[float]] = {name: [] for name in found}
    for _ in range(replicas):
        try:
            replica = measure(weights * random.poisson(1.0, events)[event])
        except DataError:  # of few events all those of a class may be absent
            continue
        for name, entry in replica.items():
            if name in values and entry.get("value") is not None and "limit" not in entry:
                values[name].append(float(entry["value"]))
    return {name: _with_error(entry, values[name]) for name, entry in found.items()}


def _with_error(entry: dict[str, Any], values: list[float]) -> dict[str, Any]:
    if "limit" in entry:
        return entry
    error = float(np.std(values, ddof=1)) if len(values) > 1 else None
    kept = {key: value for key, value in entry.items() if key != "interval"}
    return {**kept, "error": error}
