"""Alarms of an anomaly score above a threshold: F1, false alarm rate, missed alarm rate."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation, series_of_rows
from bunchtrain.evaluations.anomaly_detection import AnomalyDetection
from bunchtrain.parts.ranges import InnerFraction
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Metrics
from bunchtrain.study import Study
from bunchtrain.targets import Target

_ROWS = 10_000


class AlarmRates(Evaluation):
    """F1, false and missed alarm rate of an anomaly score above a threshold, row by row.

    The threshold is a quantile of the scores of the validation set, without labels; the validation
    set should have normal rows only. False alarm rate = FP/(FP + TN), missed alarm rate =
    FN/(FN + TP), F1 = 2 TP/(2 TP + FP + FN). The uncertainties are of ratios of sums over whole
    series, since neighbouring rows are correlated; they do not include that of the threshold.

    target    Target of `truth` or `targets` with classes; the first one if None.
    normal    Class of the normal rows; the first one if None.
    quantile  Quantile of the scores of the validation set that is the threshold.
    series    Spectator that identifies a series, e.g. `series_index`; if None, that of `windows`,
              or rows are independent.
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        normal: str | None = None,
        quantile: InnerFraction = 0.99,
        series: str | None = None,
    ) -> None:
        self.target, self.normal, self.quantile, self.series = target, normal, quantile, series

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, class or spectator, or without a score."""
        self._of_scores().check(study)
        if self.series is not None:
            self.need_spectator(study, self.series, "series")

    def _of_scores(self) -> AnomalyDetection:
        return AnomalyDetection(target=self.target, normal=self.normal)

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return the metrics of the first training of each model with an anomaly score."""
        target: Target = self.class_target(run.study, self.target, truth=True)
        normal = 0 if self.normal is None else self.find_class(target, self.normal, "normal")
        table = run.predictions
        truth = table.truth(target.name) != normal
        if truth.all() or not truth.any():
            raise DataError(
                f"evaluation '{self.name}': the test set needs normal rows and others in the "
                f"target '{target.name}'"
            )
        series = series_of_rows(run, self.series)
        blocks = np.arange(len(truth)) if series is None else series
        found: dict[str, Metrics] = {}
        for model in run.models:
            for score in table.scores(model).values():
                alarm = score > self._threshold(run, model)
                counts = _counts(alarm, truth, table.weights, blocks)
                found[model] = _measure(counts)
        return Results(found, [])

    def _threshold(self, run: EvaluatedRun, model: str) -> float:
        """Return the quantile of the model's scores of the validation set."""
        trained, scores = run.models[model], list[NDArray[Any]]()
        for events in run.events(_ROWS, trained.columns, "validation"):
            scores.append(trained.predict(events)["anomaly_score"])
        values = np.concatenate(scores) if scores else np.zeros(0)
        if not len(values):
            raise StudyError(f"evaluation '{self.name}' needs a validation set for its threshold")
        return float(np.nanquantile(values, self.quantile))


def _counts(
    alarm: NDArray[np.bool_], truth: NDArray[np.bool_], weights: Any, blocks: NDArray[Any]
) -> NDArray[np.float64]:
    """Return the sums of weights of true and false, positive and negative rows: (blocks, 2, 2).

    The second axis is whether the row is anomalous, the third whether there is an alarm.
    """
    counts = np.zeros((int(blocks.max()) + 1, 2, 2))
    np.add.at(counts, (blocks, truth.astype(int), alarm.astype(int)), weights)
    return counts


def _measure(counts: NDArray[np.float64]) -> Metrics:
    """Return the metrics of sums of weights (blocks, 2, 2), each a ratio of sums over blocks."""
    tn, fp, fn, tp = counts.reshape(-1, 4).T
    ratios = {
        "f1": (2 * tp, 2 * tp + fp + fn),
        "false_alarm_rate": (fp, fp + tn),
        "missed_alarm_rate": (fn, fn + tp),
    }
    return {name: ratio_of_sums(*one).as_dict() for name, one in ratios.items()}
