"""How a parameterised network separates at each value of its parameter (arXiv:1601.07913)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bunchtrain.plots.parameter import plot_parameter
from bunchtrain.report import Plot
from bunchtrain.statistics.metrics import Measurement, auc, roc
from bunchtrain.statistics.metrics.discriminant import discriminant
from bunchtrain.workflow.axes import axis_label
from bunchtrain.workflow.prediction_table import Predictions, signal_of

#: Values of a parameter that are looked at, at most; beyond them it is no small set of values.
MOST = 50


def aucs_by_value(outcome: Predictions, network: str, target: str) -> dict[float, Measurement]:
    """Return value of the study's parameter → AUC of the events that have it.

    Values without signal or background are left out.
    """
    scores, column = outcome.scores(network, target), outcome.study.evaluation.parameter
    if scores is None or column is None:
        return {}
    signal, names = signal_of(outcome, target)
    others = [k for k in range(len(names)) if k != signal]
    score, truth = discriminant(scores, signal, others), outcome.truth(target) == signal
    values = outcome.columns[column]
    found = {}
    for value in np.unique(values)[:MOST]:
        own = values == value
        if 0 < np.count_nonzero(truth[own]) < np.count_nonzero(own):
            curve = roc(score[own], truth[own], outcome.weights[own])
            found[float(value)] = auc(curve)
    return found


def parameter_plots(outcome: Predictions, target: str) -> Iterator[Plot]:
    """Yield the AUC of all networks against the study's parameter, if it names one."""
    column = outcome.study.evaluation.parameter
    if column is None:
        return
    found = {name: aucs_by_value(outcome, name, target) for name in outcome.taggers}
    said = (
        f"AUC at each {column}: signal of that value, and background to which it was given. "
        "The axis is logarithmic in 1 − AUC."
    )
    yield Plot(said, plot_parameter(found, axis_label(column)), wide=True)
