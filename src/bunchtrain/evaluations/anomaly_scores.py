"""Anomaly scores without any truth: their mean, how far methods agree, the most unusual rows."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray

from bunchtrain.evaluations._evaluation import (
    EvaluatedRun,
    Evaluation,
    average_trainings,
    series_of_rows,
)
from bunchtrain.evaluations.anomaly_detection import check_anomaly_score
from bunchtrain.parts.ranges import PointCount
from bunchtrain.report.content import Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import cluster_bootstrap
from bunchtrain.statistics.correlation import rank_correlation_of
from bunchtrain.statistics.metrics import Metrics, mean
from bunchtrain.study import Study

Floats = NDArray[np.float64]


class AnomalyScores(Evaluation):
    """Mean anomaly score of the test set, rank correlation with the other models, top rows.

    For a study without `truth`. The mean score of an autoencoder or of principal components is the
    mean squared error of the reconstruction, in units of the variance of the inputs; the scores of
    other methods have other scales. The rank correlation (Spearman) is that with the mean rank of
    all other models. Rows of one series count as one for the uncertainties.

    rows  Number of the rows with the largest mean rank that are listed.
    """

    of_events = True

    def __init__(self, *, rows: PointCount = 10) -> None:
        self.rows = rows

    def check(self, study: Study) -> None:
        """Raise StudyError if no model has an anomaly score."""
        check_anomaly_score(study, self.name, "'autoencoder' or 'pca'")

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return the metrics of each model, and the table of the most unusual rows."""
        from scipy.stats import rankdata  # which takes half a second

        table = run.predictions
        scores = {
            one: s for one in table.estimators if (s := _score(table.scores(one))) is not None
        }
        ranks = {name: rankdata(values) / len(values) for name, values in scores.items()}
        series = series_of_rows(run, None)

        def measure(training: str) -> Metrics:
            found = _score(table.scores(training))
            if found is None:
                return {}
            others = [one for name, one in ranks.items() if training not in table.trainings(name)]
            rest = np.mean(others, axis=0) if others else None
            if series is None:
                return _measure(found, rest, table.weights)
            return cluster_bootstrap(lambda w: _measure(found, rest, w), series, table.weights)

        metrics = average_trainings(table, measure)
        return Results(metrics, [], [self._top(table.columns["entry"], scores, ranks)])

    def _top(
        self, entry: NDArray[np.int64], scores: Mapping[str, Floats], ranks: Mapping[str, Floats]
    ) -> Table:
        order = np.argsort(-np.mean(list(ranks.values()), axis=0), kind="stable")[: self.rows]
        rows = [[int(entry[k]), *(f"{one[k]:.4g}" for one in scores.values())] for k in order]
        caption = "Scores of the rows of the test set that are the most unusual by their mean rank."
        return Table(caption, ["entry", *scores], rows)


def _score(found: Mapping[str, Floats]) -> Floats | None:
    return next((np.asarray(one, np.float64) for one in found.values()), None)


def _measure(score: Floats, rest: Floats | None, weights: Floats) -> Metrics:
    """Return the mean score, and the rank correlation with the ranks of others (rows,)."""
    used = weights > 0
    if not used.any():
        return {}
    found: Metrics = {"anomaly_mean_score": mean(score, weights).as_dict()}
    if rest is not None and used.sum() > 3 and np.ptp(score[used]) > 0:
        agreement = rank_correlation_of(score[used], rest[used], weights[used])
        found["anomaly_agreement"] = agreement.as_dict()
    return found
