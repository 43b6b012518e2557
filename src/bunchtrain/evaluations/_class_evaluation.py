"""Base of the evaluations of class probabilities: one target, or each one that has classes."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial

import numpy as np

from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations._evaluation import (
    EvaluatedRun,
    Evaluation,
    average_trainings,
    measure_by_event,
    spectator,
)
from bunchtrain.plots import MAX_LEGEND
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.classification import signal_roc
from bunchtrain.statistics.metrics import Metrics, Roc, auc, discriminant
from bunchtrain.study import Study, gives_probabilities
from bunchtrain.tables.predictions import Predictions, Values
from bunchtrain.targets import Target


@dataclass(frozen=True)
class ClassPredictions:
    """Predictions for one target with classes.

    run     the run of the models.
    target  the target.
    table   its test set, some of its events, or these events under a systematic effect.
    """

    run: EvaluatedRun
    target: Target
    table: Predictions

    @property
    def prefix(self) -> str:
        """What the names of metrics begin with: `<target>:` if the study has several targets."""
        return f"{self.target.name}:" if len(self.run.study.targets) > 1 else ""

    @property
    def truth(self) -> Values:
        """Index of the true class, (events,)."""
        return self.table.truth(self.target.name)

    @property
    def is_signal(self) -> Values:
        """Whether the true class is the signal, (events,) bool."""
        return np.asarray(self.truth == self.target.signal_index)

    @property
    def weights(self) -> Values:
        """The event weights (events,)."""
        return self.table.weights

    @property
    def signal(self) -> str:
        """Name of the signal class."""
        return self.target.classes[self.target.signal_index]

    @property
    def backgrounds(self) -> list[str]:
        """Names of the other classes."""
        return [self.target.classes[k] for k in self.target.background_indices]

    def column(self, name: str) -> Values:
        """Return a spectator, (events,).

        Raises DataError, naming the nearest, if the predictions were made without it.
        """
        return spectator(self.table, name)

    def probabilities(self, training: str) -> Values | None:
        """Return class probabilities (events, classes), None if the model has none."""
        return self.table.probabilities(training, self.target.name)

    def are_probabilities(self, estimator: str) -> bool:
        """Return whether the scores of a model or an ensemble are probabilities."""
        return gives_probabilities(self.run.study, estimator, self.target.name)

    @property
    def all_probabilities(self) -> dict[str, Values]:
        """Model or ensemble → class probabilities (events, classes) of its first training."""
        found = {name: self.probabilities(name) for name in self.table.estimators}
        return {name: values for name, values in found.items() if values is not None}

    def discriminant(
        self, probabilities: Values, fractions: Sequence[float] | None = None
    ) -> Values:
        """Return ln p_S / Σ_k f_k p_k, (events,); f_k = 1 if None."""
        target = self.target
        return discriminant(
            probabilities, target.signal_index, target.background_indices, fractions
        )

    def roc(self, probabilities: Values, fractions: Sequence[float] | None = None) -> Roc:
        """Return the ROC of the signal against all other classes."""
        signal = self.target.signal_index
        return signal_roc(probabilities, self.truth, self.weights, signal, None, fractions)

    def best_probabilities(self, count: int = MAX_LEGEND) -> dict[str, Values]:
        """Return the probabilities of the models of largest AUC, at most `count` of them."""
        found = self.all_probabilities
        if len(found) <= count:
            return found
        area = {name: auc(self.roc(values)).value for name, values in found.items()}
        return {name: found[name] for name in sorted(found, key=lambda name: -area[name])[:count]}


class ClassEvaluation(Evaluation):
    """Measures and draws the class probabilities of each target in turn.

    target  Target with classes; all that have classes if None.
    """

    def __init__(self, *, target: str | None = None) -> None:
        self.target = target

    def targets(self, study: Study) -> list[Target]:
        """Return the target of the option, or all that have classes.

        Raises StudyError, naming the nearest, if there is none.
        """
        first = self.class_target(study, self.target)
        if self.target is not None:
            return [first]
        known = [target for target in study.predicted_targets() if target.classes]
        return [one for one in known if one.axis == "event" or not self.of_events]

    def check(self, study: Study) -> None:
        """Raise StudyError if the study has no such target with classes."""
        self.targets(study)

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, plots and tables of each target.

        Raises DataError if a class has no events in the test set.
        """
        results = Results(self.metrics(run))
        for events in self.predictions(run):
            results.plots += self.plots(events)
            results.tables += self.tables(events, results.metrics)
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of all targets, without plots and tables."""
        found: dict[str, Metrics] = {}
        for events in self.predictions(run):
            of_target = average_trainings(run.predictions, partial(self._measure, events))
            for model, metrics in of_target.items():
                found.setdefault(model, {}).update(metrics)
        return found

    def predictions(self, run: EvaluatedRun) -> Iterator[ClassPredictions]:
        """Yield the predictions for each target.

        Raises DataError if a class has no events in the test set.
        """
        for target in self.targets(run.study):
            rows = run.predictions.rows(target.name)
            yield self.check_classes(ClassPredictions(run, target, rows))

    def check_classes(self, events: ClassPredictions) -> ClassPredictions:
        """Return the predictions; DataError if a class has no events."""
        for k, name in enumerate(events.target.classes):
            if not np.any(events.truth == k):
                raise DataError(
                    f"evaluation '{self.name}': the test set has no events of class '{name}'"
                )
        return events

    def _measure(self, events: ClassPredictions, training: str) -> Metrics:
        probabilities = events.probabilities(training)
        if probabilities is None:
            return {}
        table = events.table

        def measure(weights: Values) -> Metrics:
            changed = replace(events, table=table.with_weights(weights))
            return self.measure(changed, training, probabilities)

        found = measure_by_event(measure, table)
        return {events.prefix + name: entry for name, entry in found.items()}

    def measure(self, events: ClassPredictions, training: str, probabilities: Values) -> Metrics:
        """Return the metrics of one training with probabilities (events, classes)."""
        return {}

    def plots(self, events: ClassPredictions) -> Iterable[Plot]:
        """Return the plots of all models."""
        return ()

    def tables(self, events: ClassPredictions, metrics: Mapping[str, Metrics]) -> Iterable[Table]:
        """Return the tables of all models, from their metrics with the prefix of the target."""
        return ()

    def need_fractions(self, option: str, values: Iterable[float]) -> None:
        """Raise StudyError if a value of an option is not between 0 and 1."""
        for value in values:
            if not 0 < value < 1:
                raise StudyError(
                    f"evaluation '{self.name}': {option} must be between 0 and 1, got {value:g}"
                )

    def need_class_fractions(self, study: Study, fractions: Mapping[str, float] | None) -> None:
        """Raise StudyError unless every other class has its fraction f_k, which add up to 1."""
        for target in self.targets(study) if fractions else ():
            others = [target.classes[k] for k in target.background_indices]
            values = (fractions or {}).values()
            fits = set(fractions or {}) == set(others) and abs(sum(values) - 1) <= 1e-6
            if not fits or min(values) < 0:
                raise StudyError(
                    f"evaluation '{self.name}': fractions needs one for each of "
                    f"{', '.join(others)}, which add up to 1"
                )


class FirstTargetEvaluation(ClassEvaluation):
    """Measures and draws the class probabilities of one target.

    target  Target with classes; the first one if None.
    """

    def targets(self, study: Study) -> list[Target]:
        """Return the target of the option, or the first that has classes, alone."""
        return [self.class_target(study, self.target)]


def class_fractions(target: Target, fractions: Mapping[str, float] | None) -> list[float]:
    """Return f_k of each class but the signal, in their order; equal ones if none are given."""
    others = [target.classes[k] for k in target.background_indices]
    given = fractions or dict.fromkeys(others, 1 / len(others))
    return [given[name] for name in others]
