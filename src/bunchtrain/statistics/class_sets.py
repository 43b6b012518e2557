"""Figures of sets of classes: how often the truth is inside, and how large they are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics import bias
from bunchtrain.statistics.metrics.efficiency import efficiency
from bunchtrain.statistics.metrics.measurement import Metrics


def measure_sets(
    sets: Mapping[float, NDArray[np.bool_]],
    truth: NDArray[Any],
    weights: NDArray[Any] | None = None,
) -> Metrics:
    """Return `set_coverage_68`, the share of truths inside, and `set_size_68`, the mean size.

    A set may be empty: with two classes well separated, 68 % of the truths fill less than one
    class an event, and only the size tells how (arXiv:2107.07511).

    Args:
        sets: Share of events that are promised → (events, classes) whether a class is inside.
        truth: (events,) index of the true class.
        weights: (events,) or None for equal weights.
    """
    found: Metrics = {}
    for level, inside in sorted(sets.items()):
        chosen = np.take_along_axis(inside, truth[:, None].astype(np.int64), 1)[:, 0]
        found[f"set_coverage_{100 * level:g}"] = efficiency(chosen, weights).as_dict()
        found[f"set_size_{100 * level:g}"] = bias(inside.sum(1), weights).as_dict()
    return found
