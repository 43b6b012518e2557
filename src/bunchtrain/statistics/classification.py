"""All metrics of one classifier on the test set, under the stable names of `metrics.json`.

`auc`, `accuracy`, `rejection_30` (1/ε_B at ε_S = 30 %), `efficiency_at_1` (ε_S at ε_B = 1 %),
`calibration_error`, `significance_asimov`, ...; with several backgrounds also `auc/qcd`,
`rejection_30/qcd` against one of them, `auc_one_vs_rest/qcd` for every class and their mean,
`auc_macro`, and of chosen pairs of classes `auc/electron_against_pion` and the like.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.statistics.metrics import (
    MEASURES,
    Measurement,
    Metrics,
    Roc,
    accuracy,
    auc,
    background_rejection,
    best_cut,
    calibration,
    discriminant,
    efficiency,
    log_loss,
    macro_auc,
    mean,
    roc,
    signal_efficiency,
)
from bunchtrain.targets import Target

#: Largest difference from 1 of a sum of probabilities in single or half precision.
SUM_TOLERANCE = 1e-2


def signal_roc(
    scores: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None,
    signal: int,
    against: Sequence[int] | None = None,
    fractions: Sequence[float] | None = None,
) -> Roc:
    """Return the ROC of a class against others, all of them if `against` is None.

    scores     (events, classes) probabilities.
    truth      (events,) index of the true class.
    weights    (events,) or None for equal weights.
    signal     Index of the signal class.
    against    Indices of the background classes; events of others are left out.
    fractions  Of all classes but the signal, for the score ln p_S / Σ_k f_k p_k of all of them; if
               None, the score is ln p_S / Σ p_k of the classes `against`.
    """
    every = [k for k in range(scores.shape[1]) if k != signal]
    others = every if against is None else against
    chosen = np.isin(truth, [signal, *others])
    return roc(
        discriminant(scores[chosen], signal, others if fractions is None else every, fractions),
        truth[chosen] == signal,
        None if weights is None else weights[chosen],
    )


def measure_classification(
    scores: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None,
    target: Target,
    efficiencies: Sequence[float] = (0.3, 0.5),
    mistags: Sequence[float] = (0.01,),
    scale: float = 1.0,
    pairs: Sequence[tuple[str, str]] = (),
) -> Metrics:
    """Return every metric of a classifier as `{name: {value, error}}`.

    Scores that are no probabilities have no `log_loss` and no `calibration_error`.

    scores        (events, classes) probabilities, or other scores, e.g. of a margin loss.
    truth         (events,) index of the true class.
    weights       (events,) or None for equal weights.
    target        Classes and signal.
    efficiencies  Signal efficiencies at which 1/ε_B is quoted.
    mistags       Background efficiencies at which ε_S is quoted.
    scale         Factor on weights that makes s and b expected event counts.
    pairs         Names of two classes each, the first as signal and the second as background.

    Raises StudyError if there is no such signal class, and DataError if shapes do not fit, a score
    is not finite, or a class has no events.
    """
    _check(scores, truth, target)
    signal = target.signal_index

    def read(curve: Roc, ending: str = "") -> dict[str, Measurement]:
        found = {f"auc{ending}": auc(curve)}
        for e in efficiencies:
            found[f"rejection_{100 * e:g}{ending}"] = background_rejection(curve, e)
        for m in mistags:
            found[f"efficiency_at_{100 * m:g}{ending}"] = signal_efficiency(curve, m)
        return found

    found = {"accuracy": accuracy(scores, truth, weights)}
    found |= read(signal_roc(scores, truth, weights, signal))
    if len(target.classes) > 2:
        for k, name in enumerate(target.classes):
            found[f"auc_one_vs_rest/{name}"] = auc(signal_roc(scores, truth, weights, k))
            if k != signal:
                found |= read(signal_roc(scores, truth, weights, signal, [k]), f"/{name}")
        found["auc_macro"] = macro_auc(scores, truth, weights)
    for first, second in pairs:
        k, other = target.classes.index(first), target.classes.index(second)
        of_pair = signal_roc(scores, truth, weights, k, [other])
        found |= read(of_pair, f"/{first}_against_{second}")
    probability = scores[:, signal]
    if are_probabilities(scores):
        curve_of_p = calibration(probability, truth == signal, weights)
        found["calibration_error"] = curve_of_p.expected_error
        found["log_loss"] = log_loss(scores, truth, weights)
    entries = {name: measurement.as_dict() for name, measurement in found.items()}
    cuts = roc(probability, truth == signal, weights)
    for measure in MEASURES:
        cut = best_cut(cuts, measure, scale=scale)
        entries[f"significance_{measure}"] = cut.as_dict()
    return entries


def are_probabilities(scores: NDArray[Any]) -> bool:
    """Return whether scores (events, classes) are between 0 and 1 and add up to 1 in each event."""
    inside = (scores >= 0).all() and (scores <= 1 + SUM_TOLERANCE).all()
    return bool(inside and np.allclose(scores.sum(1, dtype=np.float64), 1, atol=SUM_TOLERANCE))


def _check(scores: NDArray[Any], truth: NDArray[Any], target: Target) -> None:
    if scores.shape != (len(truth), len(target.classes)):
        raise DataError(
            f"scores have the shape {scores.shape}, but there are {len(truth)} events and "
            f"{len(target.classes)} classes"
        )
    if not np.isfinite(scores).all():
        entry = int(np.argmin(np.isfinite(scores).all(axis=1)))
        raise DataError(f"the score of event {entry} is not finite: the training has diverged")


def measure_sets(
    sets: Mapping[float, NDArray[np.bool_]],
    truth: NDArray[Any],
    weights: NDArray[Any] | None = None,
) -> Metrics:
    """Return coverage `set_coverage_68` and mean size `set_size_68` of conformal sets of classes.

    A set may be empty: if two classes are well separated, fewer than one class an event suffices
    for a coverage of 68 %, and only the size shows it (arXiv:2107.07511).

    sets     Nominal coverage → (events, classes) whether a class is in the set.
    truth    (events,) index of the true class.
    weights  (events,) or None for equal weights.
    """
    found: Metrics = {}
    for level, inside in sorted(sets.items()):
        covered = np.take_along_axis(inside, truth[:, None].astype(np.int64), 1)[:, 0]
        found[f"set_coverage_{100 * level:g}"] = efficiency(covered, weights).as_dict()
        found[f"set_size_{100 * level:g}"] = mean(inside.sum(1), weights).as_dict()
    return found
