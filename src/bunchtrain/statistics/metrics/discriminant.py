"""The score that tells a signal class from other classes: the ratio of their probabilities."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.metrics.efficiency import Floats


def discriminant(
    scores: NDArray[Any], signal: int, against: Sequence[int], shares: Sequence[float] | None = None
) -> Floats:
    """Return log(p_signal / Σ_k f_k p_k), (events,).

    It orders events as p_S/(p_S + p_B) does (arXiv:2202.03772), but keeps apart those whose
    p_S is 1 within single precision.

    Args:
        scores: (events, classes) probabilities.
        signal: Column of the signal class.
        against: Columns of the background classes, k.
        shares: f_k of these classes; 1 each if None.
    """
    probabilities = np.asarray(scores, np.float64)
    tiny = np.finfo(np.float64).tiny
    others = probabilities[:, list(against)]
    background = others.sum(axis=1) if shares is None else others @ np.asarray(shares)
    ratio = np.log(np.maximum(probabilities[:, signal], tiny))
    return np.asarray(ratio - np.log(np.maximum(background, tiny)), np.float64)
