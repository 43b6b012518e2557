"""Regression: response, resolution, linearity, and pulls and coverage of predicted σ."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError, StudyError, nearest, one_of
from bunchtrain.evaluations._evaluation import (
    EvaluatedRun,
    Evaluation,
    average_trainings,
    measure_by_event,
    spectator,
)
from bunchtrain.plots import (
    Measure,
    axis_label,
    plot_coverage,
    plot_linearity,
    plot_metric_profile,
    plot_pull,
    plot_resolution,
    plot_response,
)
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Measurement, Metrics, bias, half_width, pull, pull_width
from bunchtrain.statistics.regression import measure_regression
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.expressions.expression import Expression
from bunchtrain.tables.predictions import Predictions, Values
from bunchtrain.targets import Quantity, Target


class Regression(Evaluation):
    """Metrics, residuals, predicted uncertainties and linearity of regressed values.

    target    Target with values; all that have values if None.
    against   Spectators against which bias, resolution and pull width are drawn.
    subsets   Name → condition on spectators; all metrics of these events too, as `half_width/NAME`.
    baseline  Model whose widths those of all others are divided by, as `half_width_ratio`, with the
              error of a ratio on the same events.
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        against: tuple[str, ...] = (),
        subsets: Mapping[str, str] = {},
        baseline: str | None = None,
    ) -> None:
        self.target, self.against, self.baseline = target, against, baseline
        self.subsets = {name: Expression(text) for name, text in subsets.items()}

    def targets(self, study: Study) -> list[Target]:
        """Return the target of the option, or all that have values.

        Raises StudyError, naming the nearest, if there is none.
        """
        known = {one.name: one for one in study.predicted_targets() if one.values}
        if self.target is None and known:
            return list(known.values())
        if self.target is None or self.target not in known:
            named = f"target '{self.target}'" if self.target else "a target"
            hint = nearest(self.target or "", known)
            raise StudyError(f"evaluation '{self.name}' needs {named} with values{hint}")
        return [known[self.target]]

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, spectator or baseline."""
        self.targets(study)
        models = [*model_configs(study), *study.ensembles]
        if self.baseline is not None and self.baseline not in models:
            hint = nearest(self.baseline, models) or f"; there are {one_of(models)}"
            raise StudyError(
                f"evaluation '{self.name}': baseline: there is no model '{self.baseline}'{hint}"
            )
        for column in self.against:
            self.need_spectator(study, column, "against")
        for name, condition in self.subsets.items():
            for column in sorted(condition.columns):
                self.need_spectator(study, column, f"subsets.{name}:")

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics and plots of every value of each target.

        Raises DataError for an empty test set, or predictions that are not finite.
        """
        results = Results(self.metrics(run))
        captions = {}
        if self.subsets:
            captions["half_width"] = "Half of the central 68 % width of predicted − true."
        if self.baseline:
            end = f"over that of {self.baseline}."
            captions["half_width_ratio"] = (
                f"Half of the central 68 % width of predicted − true, {end}"
            )
            captions["response_width_ratio"] = f"Half of the 68 % width of predicted/true, {end}"
        tables = [self._table(results.metrics, *one) for one in captions.items()]
        results.tables += [table for table in tables if table.rows]
        for target in self.targets(run.study):
            for value in target.values:
                results.plots += self._plots(run.predictions.rows(target.name), target.name, value)
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of every value of each target, without plots."""
        if not len(run.predictions):
            raise DataError(f"evaluation '{self.name}': the test set has no events")
        several = len(run.study.targets) > 1
        found: dict[str, Metrics] = {}
        for end, events in self._subsets(run.predictions):
            first = events.trainings(self.baseline)[0] if self.baseline else None
            measure = partial(_measure, events, self.targets(run.study), several, first)
            for model, metrics in average_trainings(events, measure).items():
                own = {f"{name}{end}": entry for name, entry in metrics.items()}
                found.setdefault(model, {}).update(own)
        return found

    def _subsets(self, table: Predictions) -> Iterator[tuple[str, Predictions]]:
        """Yield the end of the names of metrics, and the events that they are of.

        Raises DataError for a subset without events.
        """
        yield "", table
        for name, condition in self.subsets.items():
            columns = {column: spectator(table, column) for column in condition.columns}
            chosen = np.asarray(condition(ak.zip(columns)), dtype=bool)
            if not chosen.any():
                raise DataError(
                    f"evaluation '{self.name}': no event of the test set is in the subset '{name}'"
                )
            yield f"/{name}", table.take(chosen)

    def _table(self, metrics: Mapping[str, Metrics], metric: str, caption: str) -> Table:
        """Return one metric of all events and of each subset."""
        rows, columns = [], ["Model"]
        for model, found in metrics.items():
            own = {key: one for key, one in found.items() if _is_metric(key, metric)}
            if own:
                names = [key.replace(metric, "all", 1).removeprefix("all/") for key in own]
                columns = ["Model", *names]
                rows.append([model, *(str(Measurement.from_dict(one)) for one in own.values())])
        return Table(caption, columns, rows)

    def _plots(self, table: Predictions, target: str, name: str) -> Iterator[Plot]:
        """Yield the plots of all models, then the linearity of each."""
        truth, weights = table.truth(target, name), table.weights
        values: dict[str, Values] = {}
        for model in table.models:
            if (found := table.column(model, target, Quantity(name))) is not None:
                values[model] = found
        if not values:
            return
        residuals = {model: value - truth for model, value in values.items()}
        index = table.targets[target].values.index(name)
        unit = table.known_units.get(f"{target}_{index}", "")
        ending = f" [{unit}]" if unit else ""
        label = f"predicted − true {name}{ending}"
        yield Plot(f"Predicted − true {name}.", plot_response(residuals, label))
        drawn = plot_resolution(residuals, truth, f"true {name}{ending}", weights)
        yield Plot(f"Resolution against true {name}.", drawn)
        predicted = {
            model: (value, sigma, truth)
            for model, value in values.items()
            if (sigma := table.sigma(model, target, name)) is not None
        }
        pulls = {model: pull(v, truth, sigma) for model, (v, sigma, _) in predicted.items()}
        if pulls:
            yield Plot(f"Pull of {name}: residual over predicted σ.", plot_pull(pulls, weights))
            drawn = plot_coverage(predicted, weights)
            yield Plot(f"Coverage of Gaussian intervals of {name}.", drawn)
        yield from self._profiles(table, residuals, pulls, name)
        for model, value in values.items():
            drawn = plot_linearity(value, truth, name, unit=unit)
            yield Plot(f"Predicted against true {name}.", drawn, model=model)

    def _profiles(
        self,
        table: Predictions,
        residuals: Mapping[str, Values],
        pulls: Mapping[str, Values],
        name: str,
    ) -> Iterator[Plot]:
        shown: list[tuple[str, Mapping[str, Values], Measure]] = [
            (f"Mean of predicted − true {name}", residuals, bias),
            (f"Half 68 % width of predicted − true {name}", residuals, half_width),
        ]
        shown += [("Width of the pull", pulls, pull_width)] if pulls else []
        for column in self.against:
            for label, values, measure in shown:
                labels = axis_label(column, table.known_units.get(column)), label
                x = spectator(table, column)
                drawn = plot_metric_profile(values, x, measure, labels, table.weights)
                yield Plot(f"{label} against {column}.", drawn)


def _is_metric(key: str, metric: str) -> bool:
    """Return whether `<target>:<metric>/<value>` is of this metric."""
    return key.rpartition(":")[2].partition("/")[0] == metric


def _measure(
    table: Predictions,
    targets: list[Target],
    several_targets: bool,
    baseline: str | None,
    training: str,
) -> Metrics:
    """Return the metrics of one training: `<target>:<metric>/<value>`.

    The target is in the name if the study has several, the value if its target has several.

    baseline  another training, with which it is compared, or None.
    """
    found: Metrics = {}
    for target in targets:
        prefix = f"{target.name}:" if several_targets else ""
        rows = table.rows(target.name)
        for value in target.values:
            if rows.column(training, target.name, Quantity(value)) is None:
                continue
            compared = None if baseline == training else baseline
            measure = partial(_measure_value, rows, training, compared, target.name, value)
            suffix = f"/{value}" if len(target.values) > 1 else ""
            metrics = measure_by_event(measure, rows)
            found |= {prefix + key + suffix: entry for key, entry in metrics.items()}
    return found


def _measure_value(
    table: Predictions,
    training: str,
    baseline: str | None,
    target: str,
    value: str,
    weights: Values,
) -> Metrics:
    """Return the metrics of one value with these weights (rows,)."""
    predicted = table.column(training, target, Quantity(value))
    assert predicted is not None  # checked by the caller
    return measure_regression(
        predicted,
        table.truth(target, value),
        weights,
        table.sigma(training, target, value),
        quantile_intervals(table, training, target, value)
        | table.intervals(training, target, value),
        table.column(baseline, target, Quantity(value)) if baseline else None,
    )


def quantile_intervals(
    table: Predictions, training: str, target: str, value: str
) -> dict[float, tuple[Values, Values]]:
    """Return nominal coverage → ends of the interval between predicted quantiles, (events,) each.

    Of the levels τ and 1 − τ, or else of the lowest and the highest level. The median is the
    prediction.
    """
    found = table.quantiles(training, target, value)
    pairs = [(low, round(1 - low, 12)) for low in found if low < 0.5]
    pairs = [pair for pair in pairs if pair[1] in found]
    if not pairs and len(found) > 1:
        pairs = [(min(found), max(found))]
    return {round(high - low, 12): (found[low], found[high]) for low, high in pairs}
