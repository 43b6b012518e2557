"""Working points: one cut on one score for each signal efficiency, and what else passes it.

The score of a tagger of several classes, as in flavour tagging (ATL-PHYS-PUB-2017-003), is

    D_S = ln [p_S / Σ_k f_k p_k],    Σ_k f_k = 1,

k running over the other classes; with few charm jets in it, f_c small, D_b lets more of them pass
and fewer light jets.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from numpy.typing import NDArray

from bunchtrain.statistics.classification import signal_roc
from bunchtrain.statistics.metrics import Measurement, background_rejection
from bunchtrain.statistics.metrics.measurement import Metrics


def shares(
    class_names: Sequence[str], signal: int, fractions: Mapping[str, float] | None
) -> list[float]:
    """Return f_k of each class but the signal, in their order; equal ones if none are given."""
    others = [name for k, name in enumerate(class_names) if k != signal]
    given = fractions or dict.fromkeys(others, 1 / len(others))
    return [given[name] for name in others]


def working_points(
    scores: NDArray[Any],
    truth: NDArray[Any],
    weights: NDArray[Any] | None,
    class_names: Sequence[str],
    signal: int,
    efficiencies: Sequence[float],
    fractions: Mapping[str, float] | None = None,
) -> Metrics:
    """Return cut and rejections at each signal efficiency, as `{name: {value, error}}`.

    `working_point_77_cut` is the least D_S of those that pass, `working_point_77/light` the
    rejection 1/ε of the class `light` at this very cut.

    Args:
        scores: (events, classes) probabilities.
        truth: (events,) index of the true class.
        weights: (events,) or None for equal weights.
        class_names: (classes,).
        signal: Index of the signal class.
        efficiencies: Signal efficiencies in (0, 1).
        fractions: f_k by class; equal if None or empty.

    Raises:
        DataError: a class has no events.
    """
    others = [k for k in range(len(class_names)) if k != signal]
    given = shares(class_names, signal, fractions)
    together = signal_roc(scores, truth, weights, signal, shares=given)
    figures: dict[str, Measurement] = {}
    curves = {
        class_names[k]: signal_roc(scores, truth, weights, signal, [k], shares=given)
        for k in others
    }
    for efficiency in efficiencies:
        name = f"working_point_{100 * efficiency:g}"
        figures[f"{name}_cut"] = Measurement(together.threshold_at(efficiency))
        for label, curve in curves.items():
            figures[f"{name}/{label}"] = background_rejection(curve, efficiency)
    return {name: figure.as_dict() for name, figure in figures.items()}
