"""AUC at each value of the parameter of a parameterised network (arXiv:1601.07913)."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from bunchtrain.evaluations._class_evaluation import ClassEvaluation, ClassPredictions
from bunchtrain.plots import axis_label, plot_parameter
from bunchtrain.report.content import Plot
from bunchtrain.statistics.metrics import Measurement, Metrics, auc, roc
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Values

#: Values of the parameter that are evaluated, at most; a column of more is continuous.
MAX_VALUES = 50


class ParameterScan(ClassEvaluation):
    """AUC at each value of a parameter, e.g. the mass of a resonance.

    parameter  Spectator with few distinct values.
    """

    def __init__(self, *, parameter: str, target: str | None = None) -> None:
        super().__init__(target=target)
        self.parameter = parameter

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or spectator."""
        super().check(study)
        self.need_spectator(study, self.parameter, "parameter")

    def measure(self, events: ClassPredictions, training: str, probabilities: Values) -> Metrics:
        """Return `auc/mass=500`, … for each value of the parameter."""
        found = self.auc_by_value(events, probabilities)
        return {f"auc/{self.parameter}={v:g}": one.as_dict() for v, one in found.items()}

    def auc_by_value(
        self, events: ClassPredictions, probabilities: Values
    ) -> dict[float, Measurement]:
        """Return value of the parameter → AUC of the events that have it.

        Values without signal or background are left out.
        """
        score, truth = events.discriminant(probabilities), events.is_signal
        values, found = events.column(self.parameter), {}
        for value in np.unique(values)[:MAX_VALUES]:
            own = values == value
            if 0 < np.count_nonzero(truth[own]) < np.count_nonzero(own):
                found[float(value)] = auc(roc(score[own], truth[own], events.weights[own]))
        return found

    def plots(self, events: ClassPredictions) -> Iterator[Plot]:
        """Yield the AUC of all models against the parameter."""
        found = {name: self.auc_by_value(events, p) for name, p in events.all_probabilities.items()}
        caption = (
            f"AUC at each {self.parameter}: signal of that value, and background to which it was "
            "assigned. The axis is logarithmic in 1 − AUC."
        )
        label = axis_label(self.parameter, events.run.predictions.known_units.get(self.parameter))
        yield Plot(caption, plot_parameter(found, label), wide=True)
