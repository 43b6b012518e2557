"""Anomaly detection: how well a score that was learnt without labels separates known classes."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations._evaluation import (
    EvaluatedRun,
    Evaluation,
    average_trainings,
    series_of_rows,
)
from bunchtrain.parts.ranges import Edges, InnerFraction
from bunchtrain.plots import plot_roc, plot_scores
from bunchtrain.report.content import Plot
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import cluster_bootstrap
from bunchtrain.statistics.correlation import rank_correlation_of
from bunchtrain.statistics.metrics import (
    Metrics,
    Roc,
    auc,
    background_rejection,
    inverse_jensen_shannon,
    roc,
)
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.predictions import Predictions, Values
from bunchtrain.targets import Target
from bunchtrain.targets.quantity import ANOMALY_SCORE


class AnomalyDetection(Evaluation):
    """AUC and rejection of normal events of the anomaly score, for each other class of the truth.

    target        Target of `truth` or `targets` with classes; the first one if None.
    normal        Class of the normal events; the first one if None.
    efficiencies  Efficiencies for the anomaly at which 1/ε_normal is given.
    against       Spectator whose spectrum of normal events a cut should not change: 1/JSD of those
                  that pass and that fail, at the first efficiency, and the rank correlation.
    edges         Bin edges of this spectrum, rising, in its unit; quantiles in ten bins if None.
    series        Spectator that identifies a series of correlated rows, e.g. `series_index`, for a
                  bootstrap of whole series; if None, that of `windows`, or rows are independent.
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        normal: str | None = None,
        efficiencies: tuple[InnerFraction, ...] = (0.3, 0.5),
        against: str | None = None,
        edges: Edges | None = None,
        series: str | None = None,
    ) -> None:
        self.target, self.normal, self.efficiencies = target, normal, efficiencies
        self.against, self.edges, self.series = against, edges, series

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or class, or if no model has a score."""
        check_anomaly_score(study, self.name, "'autoencoder' or 'normalizing_flow'")
        self._normal(self.class_target(study, self.target, truth=True))
        if self.against is not None:
            self.need_spectator(study, self.against, "against")
        if self.series is not None:
            self.need_spectator(study, self.series, "series")

    def _normal(self, target: Target) -> int:
        """Return the index of the normal class."""
        if self.normal is None:
            return 0
        return self.find_class(target, self.normal, "normal")

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, ROC curves and distributions of the scores."""
        return Results(self.metrics(run), list(self._plots(run)))

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return AUC and rejections of each model and class.

        Raises DataError if the test set has no normal events.
        """
        target = self.class_target(run.study, self.target, truth=True)
        table, normal = run.predictions, self._normal(target)
        truth = table.truth(target.name)
        if not np.any(truth == normal):
            raise DataError(
                f"evaluation '{self.name}': the test set has no events of class "
                f"'{target.classes[normal]}'"
            )
        series = series_of_rows(run, self.series)
        return average_trainings(table, partial(self._measure, table, target, normal, series))

    def _measure(
        self,
        table: Predictions,
        target: Target,
        normal: int,
        series: NDArray[Any] | None,
        training: str,
    ) -> Metrics:
        found: Metrics = {}
        for score in table.scores(training).values():

            def measure(weights: Values, score: Values = score) -> Metrics:
                return self._separation(table, target, normal, score, weights)

            if series is None:
                found |= measure(table.weights)
            else:
                found |= cluster_bootstrap(measure, series, table.weights)
            found |= self._sculpting(table, target, normal, score)
        return found

    def _separation(
        self, table: Predictions, target: Target, normal: int, score: Values, weights: Values
    ) -> Metrics:
        """Return AUC and rejections of each class against the normal events."""
        found: Metrics = {}
        for label, curve in _curves(table, target, normal, score, weights).items():
            of = f"/{label}" if len(target.classes) > 2 else ""
            found[f"anomaly_auc{of}"] = auc(curve).as_dict()
            for efficiency in self.efficiencies:
                entry = background_rejection(curve, efficiency).as_dict()
                found[f"anomaly_rejection_{100 * efficiency:g}{of}"] = entry
        return found

    def _sculpting(self, table: Predictions, target: Target, normal: int, score: Values) -> Metrics:
        """Return 1/JSD of normal events by class, and their rank correlation, if asked for."""
        if self.against is None or not self.efficiencies:
            return {}
        column, truth = np.asarray(table.columns[self.against], float), table.truth(target.name)
        own = truth == normal
        found: Metrics = {}
        edges = np.asarray(self.edges or np.unique(np.quantile(column[own], np.linspace(0, 1, 11))))
        for k, label in enumerate(target.classes):
            chosen = own | (truth == k)
            if k == normal or not np.any(truth == k):
                continue
            of = f"/{label}" if len(target.classes) > 2 else ""
            efficiency = self.efficiencies[0]
            found[f"anomaly_inverse_jsd_{100 * efficiency:g}{of}"] = inverse_jensen_shannon(
                score[chosen], truth[chosen] == k, column[chosen], edges, efficiency,
                table.weights[chosen],
            ).as_dict()  # fmt: skip
        ranks = rank_correlation_of(score[own], column[own], table.weights[own])
        found[f"anomaly_correlation/{self.against}"] = ranks.as_dict()
        return found

    def _plots(self, run: EvaluatedRun) -> Iterator[Plot]:
        target, table = self.class_target(run.study, self.target, truth=True), run.predictions
        normal = self._normal(target)
        scores = {
            model: next(iter(found.values()))
            for model in table.estimators
            if (found := table.scores(model))
        }
        curves = {
            model: _curves(table, target, normal, one, table.weights)
            for model, one in scores.items()
        }
        for label in next(iter(curves.values()), {}):
            of_label = {model: found[label] for model, found in curves.items()}
            drawn = plot_roc(
                of_label,
                signal=label,
                background=target.classes[normal],
                correlated=series_of_rows(run, self.series) is not None,
            )
            yield Plot(f"Anomaly scores: {label} against {target.classes[normal]}.", drawn)
        for model, score in scores.items():
            ranked = np.argsort(np.argsort(score)) / max(1, len(score) - 1)
            drawn = plot_scores(
                ranked,
                table.truth(target.name),
                target.classes,
                table.weights,
                label="Quantile of the anomaly score",
            )
            yield Plot("Anomaly score of each class, as its quantile.", drawn, model=model)


def check_anomaly_score(study: Study, evaluation: str, examples: str) -> None:
    """Raise StudyError, with examples of methods, if no model of the study has an anomaly score."""
    models = (one for one in model_configs(study).values() if one.kind == "method")
    quantities = [parts.find("method", one.model.name).quantities for one in models]
    if not any(ANOMALY_SCORE in found for found in quantities):
        raise StudyError(
            f"evaluation '{evaluation}' needs a method with an anomaly score, such as {examples}"
        )


def _curves(
    table: Predictions, target: Target, normal: int, score: Values, weights: Values
) -> dict[str, Roc]:
    """Return each other class of the test set → the ROC of the score against normal events."""
    truth, found = table.truth(target.name), dict[str, Roc]()
    for k, label in enumerate(target.classes):
        chosen = (truth == normal) | (truth == k)
        if k != normal and all(np.any(weights[truth == one]) for one in (normal, k)):
            found[label] = roc(score[chosen], truth[chosen] == k, weights[chosen])
    return found
