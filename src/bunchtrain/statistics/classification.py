"""All figures of one classifier on the test set, under the stable names of `metrics.json`.

`auc`, `accuracy`, `rejection_30` (1/ε_B at ε_S = 30 %), `efficiency_at_1` (ε_S at ε_B = 1 %),
`calibration_error`, `significance_asimov`, ...; with several backgrounds also `auc/qcd`,
`rejection_30/qcd` against one of them, and `auc_one_vs_rest/qcd` for every class.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest, one_of
from bunchtrain.statistics.metrics import (
    Measurement,
    Roc,
    accuracy,
    auc,
    background_rejection,
    best_cut,
    calibration,
    discriminant,
    log_loss,
    roc,
    signal_efficiency,
)
from bunchtrain.statistics.metrics.measurement import Metrics
from bunchtrain.statistics.metrics.significance import MEASURES


def class_index(name: str | None, class_names: Sequence[str]) -> int:
    """Return the place of the signal class, the last one if `name` is None.

    Raises StudyError, naming the nearest class, if there is none of that name.
    """
    if name is None:
        return len(class_names) - 1
    if name not in class_names:
        known = nearest(name, class_names) or f"; there are {one_of(class_names)}"
        raise StudyError(f"evaluation.signal: there is no class '{name}'{known}")
    return list(class_names).index(name)


def signal_roc(
    scores: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None,
    signal: int,
    against: Sequence[int] | None = None,
    shares: Sequence[float] | None = None,
) -> Roc:
    """Return the ROC of a class against others, all of them if `against` is None.

    Args:
        scores: (events, classes) probabilities.
        truth: (events,) index of the true class.
        weights: (events,) or None for equal weights.
        signal: Index of the signal class.
        against: Indices of the background classes; events of others are left out.
        shares: Of all classes but the signal, for the score ln p_S / Σ_k f_k p_k of all of them;
            if None, the score is ln p_S / Σ p_k of the classes `against`.
    """
    every = [k for k in range(scores.shape[1]) if k != signal]
    others = every if against is None else against
    chosen = np.isin(truth, [signal, *others])
    return roc(
        discriminant(scores[chosen], signal, others if shares is None else every, shares),
        truth[chosen] == signal,
        None if weights is None else weights[chosen],
    )


def measure_classification(
    scores: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None,
    class_names: Sequence[str],
    signal: str | None = None,
    efficiencies: Sequence[float] = (0.3, 0.5),
    mistags: Sequence[float] = (0.01,),
    scale: float = 1.0,
) -> Metrics:
    """Return every figure of a classifier as `{name: {value, error}}`.

    Args:
        scores: (events, classes) probabilities.
        truth: (events,) index of the true class.
        weights: (events,) or None for equal weights.
        class_names: (classes,).
        signal: Name of the signal class, the last one if None.
        efficiencies: Signal efficiencies at which 1/ε_B is quoted.
        mistags: Background efficiencies at which ε_S is quoted.
        scale: Factor on weights that makes s and b expected event counts.

    Raises:
        StudyError: there is no such signal class.
        DataError: shapes do not fit, a score is not finite, or a class has no events.
    """
    _check(scores, truth, class_names)
    chosen = class_index(signal, class_names)
    figures = {"accuracy": accuracy(scores, truth, weights)}
    curve = signal_roc(scores, truth, weights, chosen)
    figures |= _figures(curve, efficiencies, mistags)
    if len(class_names) > 2:
        for k, name in enumerate(class_names):
            figures[f"auc_one_vs_rest/{name}"] = auc(signal_roc(scores, truth, weights, k))
            if k != chosen:
                against = _figures(
                    signal_roc(scores, truth, weights, chosen, [k]), efficiencies, mistags
                )
                figures |= {f"{key}/{name}": figure for key, figure in against.items()}
    probability = scores[:, chosen]
    curve_of_p = roc(probability, truth == chosen, weights)
    figures["calibration_error"] = calibration(probability, truth == chosen, weights).expected_error
    figures["log_loss"] = log_loss(scores, truth, weights)
    entries = {name: figure.as_dict() for name, figure in figures.items()}
    for measure in MEASURES:
        cut = best_cut(curve_of_p, measure, scale=scale)
        entries[f"significance_{measure}"] = cut.as_dict()
    return entries


def _check(scores: NDArray[Any], truth: NDArray[Any], class_names: Sequence[str]) -> None:
    if scores.shape != (len(truth), len(class_names)):
        raise DataError(
            f"scores have the shape {scores.shape}, but there are {len(truth)} events and "
            f"{len(class_names)} classes"
        )
    if not np.isfinite(scores).all():
        entry = int(np.argmin(np.isfinite(scores).all(axis=1)))
        raise DataError(f"the score of event {entry} is not finite: the training has diverged")


def _figures(
    curve: Roc, efficiencies: Sequence[float], mistags: Sequence[float]
) -> dict[str, Measurement]:
    figures = {"auc": auc(curve)}
    for e in efficiencies:
        figures[f"rejection_{100 * e:g}"] = background_rejection(curve, e)
    for m in mistags:
        figures[f"efficiency_at_{100 * m:g}"] = signal_efficiency(curve, m)
    return figures
