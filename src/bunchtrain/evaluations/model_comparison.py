"""Comparison of models: ranking, cost against performance, correlation of scores."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import numpy as np

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._class_evaluation import ClassPredictions, FirstTargetEvaluation
from bunchtrain.plots import plot_rank_correlation, plot_ranking, plot_trade_off
from bunchtrain.report.content import Plot
from bunchtrain.report.costs import costs
from bunchtrain.report.key_table import published_metrics
from bunchtrain.report.labels import label
from bunchtrain.statistics.correlation import rank_correlation
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.study import Study, evaluation_options, model_configs

#: Smallest number of models and ensembles that are compared.
MIN_MODELS = 3
#: Number of models above which the matrix of correlations takes the width of the page.
WIDE = 12
#: Smallest ratio of the largest to the smallest cost for which a plot against it is drawn.
MIN_RATIO = 2.0


class ModelComparison(FirstTargetEvaluation):
    """Ranking of three or more models, metric against cost, and rank correlation of the scores.

    metric  Metric of an earlier evaluation; the rejection at the first efficiency of
            `classification` if None.
    """

    reads_metrics = True

    def __init__(self, *, target: str | None = None, metric: str | None = None) -> None:
        super().__init__(target=target)
        self.metric = metric

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, or if there are fewer than three models."""
        super().check(study)
        if len(model_configs(study)) + len(study.ensembles) < MIN_MODELS:
            raise StudyError(
                f"evaluation '{self.name}' needs at least {MIN_MODELS} models and ensembles"
            )

    def plots(self, events: ClassPredictions) -> Iterator[Plot]:
        """Yield ranking, trade-offs with parameters and time, and correlation of the scores.

        Raises DataError, naming the nearest, if no model has the metric of the option.
        """
        run, metric = events.run, self.metric
        if metric is None:
            efficiency = evaluation_options(run.study, "classification")["efficiencies"][0]
            metric = f"rejection_{100 * efficiency:g}"
        key = events.prefix + metric
        measured = {name: run.metrics.get(name, {}) for name in run.predictions.estimators}
        known = {name for metrics in measured.values() for name in metrics}
        if self.metric is not None and key not in known:
            hint = nearest(key, known)
            raise DataError(f"evaluation '{self.name}': no model has a metric '{key}'{hint}")
        ours = {n: Measurement.from_dict(m[key]) for n, m in measured.items() if key in m}
        axis = label(metric).replace("ε_B", r"$\varepsilon_B$").replace("ε_S", r"$\varepsilon_S$")
        if ours:
            yield self._ranking(events, ours, key, axis)
            yield from self._trade_offs(events, ours, axis)
        yield self._correlation(events)

    def _ranking(
        self, events: ClassPredictions, ours: Mapping[str, Measurement], key: str, axis: str
    ) -> Plot:
        published = {
            name: one.metrics[key]
            for name, one in published_metrics(events.run.study).items()
            if key in one.metrics and name in ours
        }
        caption = (
            "All models in order; thin bars are statistical errors, thick ones the standard "
            "deviation between seeds. Published values are on their own sample."
        )
        return Plot(caption, plot_ranking(ours, published, axis))

    def _trade_offs(
        self, events: ClassPredictions, ours: Mapping[str, Measurement], axis: str
    ) -> Iterator[Plot]:
        spent = costs(events.run.study, events.run.json)
        sizes = {n: (float(p), m) for n, m in ours.items() if (p := spent[n].parameters)}
        times = {n: (1e6 / rate, m) for n, m in ours.items() if (rate := spent[n].rate)}
        for points, cost, caption in (
            (sizes, "Parameters", "The metric against the number of trained parameters of models."),
            (times, "Time per event [µs]", "The metric against the time of inference per event."),
        ):
            found = [x for x, _ in points.values()]
            if found and max(found) > MIN_RATIO * min(found):
                yield Plot(caption, plot_trade_off(points, cost, axis))

    def _correlation(self, events: ClassPredictions) -> Plot:
        scores = {name: events.discriminant(p) for name, p in events.all_probabilities.items()}
        values, signal = np.stack(list(scores.values())), events.is_signal  # (models, events)
        drawn = plot_rank_correlation(
            rank_correlation(values[:, signal]),
            rank_correlation(values[:, ~signal]),
            list(scores),
            (events.signal, ", ".join(events.backgrounds)),
        )
        caption = "Rank correlation of the scores, within each class."
        return Plot(caption, drawn, wide=len(scores) > WIDE)
