"""What the ensembles of a run gain over their best member."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.bootstrap import RocMetric, paired_bootstrap
from bunchtrain.statistics.metrics import Measurement, Roc, auc, background_rejection, roc
from bunchtrain.statistics.metrics import discriminant
from bunchtrain.study import combined, model_configs
from bunchtrain.workflow.prediction_table import Predictions, signal_of

#: Ensemble → figure → {best member, gain, its error}.
Gains = dict[str, dict[str, dict[str, Any]]]


def measure_gains(outcome: Predictions) -> Gains:
    """Return the gain of each ensemble over its best member, with its paired bootstrap error.

    Ensemble and members are compared by their first trainings, which the ensemble combines; the
    best member is chosen for each figure. Of several targets the first with classes is taken.
    """
    study = outcome.study
    ensembles = {name: one for name, one in study.ensembles.items() if not one.flattens}
    if not ensembles:
        return {}
    target = study.evaluation.target or next(iter(outcome.classifiers))
    signal, names = signal_of(outcome, target)
    others = [k for k in range(len(names)) if k != signal]
    scores = {
        name: discriminant(found, signal, others)
        for name in outcome.taggers
        if (found := outcome.scores(name, target)) is not None
    }
    truth = outcome.truth(target) == signal
    readers = _readers(study.evaluation.efficiencies)
    curves = {name: roc(score, truth, outcome.weights) for name, score in scores.items()}
    best = {
        (name, figure): max(combined(one, model_configs(study)), key=lambda m: read(curves[m]))
        for name, one in ensembles.items()
        for figure, read in readers.items()
    }
    compared = {name: scores[name] for name in [*ensembles, *best.values()]}
    spread = paired_bootstrap(compared, truth, outcome.weights, readers, seed=study.seed)
    gains: Gains = {}
    for (name, figure), member in best.items():
        read = readers[figure]
        value = read(curves[name]) - read(curves[member])
        error = _deviation(spread[figure], name, member)
        entry = Measurement(value, error).as_dict() | {"best": member}
        gains.setdefault(name, {})[figure] = entry
    return gains


def _readers(efficiencies: list[float]) -> dict[str, RocMetric]:
    def rejection(efficiency: float) -> RocMetric:
        return lambda curve: background_rejection(curve, efficiency).value

    def area(curve: Roc) -> float:
        return auc(curve).value

    return {"auc": area} | {f"rejection_{100 * e:g}": rejection(e) for e in efficiencies}


def _deviation(spread: Mapping[str, NDArray[np.float64]], ours: str, theirs: str) -> float:
    return float(np.std(spread[ours] - spread[theirs], ddof=1))
