"""Values predicted with their covariance: pulls, coverage of the ellipse and log-likelihood."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import (
    EvaluatedRun,
    Evaluation,
    average_trainings,
    spectator,
)
from bunchtrain.parts.ranges import NUMBER
from bunchtrain.plots import axis_label, plot_metric_profile, plot_pull
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement, Metrics, half_width, mean, pull_width
from bunchtrain.statistics.metrics.covariance import PredictedGaussian
from bunchtrain.study import Study
from bunchtrain.tables.predictions import EVENT_ROW, Predictions, Values
from bunchtrain.targets import Quantity, Target

Level = Annotated[float, Field(gt=0, lt=1), NUMBER]


class PredictedCovariance(Evaluation):
    """Pulls, coverage of the error ellipse and log-likelihood of values with their covariance.

    Of models with the loss `multivariate_gaussian_nll`. Metrics: `pull_mean/VALUE` of
    (predicted − true)/σ, `pull_width` (standard deviation), `residual/VALUE` (half of the central
    68 % width of true − predicted), `ellipse_coverage`, the fraction of truths in the ellipse of
    the probability `level`, `log_likelihood`, the mean of −½ [d log 2π + log det Σ + rᵀΣ⁻¹r] in
    nats, and `log_likelihood_gain/BASELINE`, the mean difference to a baseline for the same rows;
    in every value V of `by` again, as `pull_width/VALUE/V`. Uncertainties include correlations
    within an event, but for `residual`.

    target     Target with two or more values, the first if None.
    baselines  Name → prefix of spectators with another prediction of the same values, named as
               those of a model: `PREFIX_x`, `PREFIX_x_sigma`, `PREFIX_x_y_correlation`.
    scale      Value → spectator that it is multiplied by before all, as in units of a resolution.
    level      Probability of the ellipse.
    by         Spectator with few values, such as the kind of event, in each of which all is given.
    against    Spectators against which pulls, coverage and log-likelihood are drawn.
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        baselines: dict[str, str] | None = None,
        scale: dict[str, str] | None = None,
        level: Level = 0.68,
        by: str | None = None,
        against: tuple[str, ...] = (),
    ) -> None:
        self.target, self.baselines, self.scale = target, dict(baselines or {}), dict(scale or {})
        self.level, self.by, self.against = level, by, against

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, value or spectator."""
        target = self._target(study)
        for value in self.scale:
            if value not in target.values:
                hint = nearest(value, target.values)
                raise StudyError(
                    f"evaluation '{self.name}': scale: target '{target.name}' has no value "
                    f"'{value}'{hint}"
                )
        for option, columns in (
            ("scale:", self.scale.values()),
            ("against", self.against),
            ("by", [self.by] if self.by else []),
            *((f"baselines.{n}:", _columns(p, target)) for n, p in self.baselines.items()),
        ):
            for column in columns:
                self.need_spectator(study, column, option)

    def _target(self, study: Study) -> Target:
        known = {one.name: one for one in study.predicted_targets() if len(one.values) > 1}
        chosen = next(iter(known), None) if self.target is None else self.target
        if chosen is None or chosen not in known:
            named = f"target '{self.target}'" if self.target else "a target"
            raise StudyError(
                f"evaluation '{self.name}' needs {named} with two or more values"
                f"{nearest(self.target or '', known)}"
            )
        return known[chosen]

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, a table with the baselines, and plots."""
        target = self._target(run.study)
        rows = run.predictions.rows(target.name)
        found = {
            name: one
            for name in rows.models
            if (one := self._of_training(rows, name, target)) is not None
        }
        found |= self._baselines(rows, target)
        results = Results(self.metrics(run))
        for end, chosen in self._subsets(rows):
            results.tables.append(self._table(rows, target, found, results.metrics, end, chosen))
        results.plots += self._plots(rows, target, found)
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of each model; DataError for a test set without rows."""
        target = self._target(run.study)
        rows = run.predictions.rows(target.name)
        if not len(rows):
            raise DataError(f"evaluation '{self.name}': the test set has no rows")
        others = self._baselines(rows, target)

        def measure(training: str) -> Metrics:
            own = self._of_training(rows, training, target)
            if own is None:
                return {}
            return {
                f"{name}{end}": one.as_dict()
                for end, chosen in self._subsets(rows)
                for name, one in self._measure(rows, target, own, others, chosen).items()
            }

        return average_trainings(rows, measure)

    def _subsets(self, rows: Predictions) -> Iterator[tuple[str, Values]]:
        """Yield the end of the names of metrics, and the rows that they are of."""
        yield "", np.ones(len(rows), bool)
        if self.by is not None:
            values = spectator(rows, self.by)
            for value in np.unique(values):
                yield f"/{value:g}", values == value

    def _scales(self, rows: Predictions, target: Target) -> Values:
        one = np.ones(len(rows))
        columns = [self.scale.get(value) for value in target.values]
        return np.stack([spectator(rows, c) if c else one for c in columns], 1).astype(np.float64)

    def _of_training(
        self, rows: Predictions, training: str, target: Target
    ) -> PredictedGaussian | None:
        wanted = _quantities(target)
        columns = [rows.column(training, target.name, one) for one in wanted]
        if any(one is None for one in columns):
            return None
        return self._gaussian(rows, target, dict(zip(wanted, columns, strict=True)))  # type: ignore[arg-type]

    def _baselines(self, rows: Predictions, target: Target) -> dict[str, PredictedGaussian]:
        return {
            name: self._gaussian(
                rows,
                target,
                {q: spectator(rows, f"{prefix}_{q.name}") for q in _quantities(target)},
            )
            for name, prefix in self.baselines.items()
        }

    def _gaussian(
        self, rows: Predictions, target: Target, found: Mapping[Quantity, Values]
    ) -> PredictedGaussian:
        scale = self._scales(rows, target)
        every = {quantity: values.astype(np.float64) for quantity, values in found.items()}
        residual = np.stack(
            [rows.truth(target.name, v) - every[Quantity(v)] for v in target.values], 1
        )
        sigma = np.stack([every[Quantity(v, "sigma")] for v in target.values], 1)
        pairs = _pairs(target)
        correlation = np.stack([every[Quantity(f"{a}_{b}", "correlation")] for a, b in pairs], 1)
        second, first = np.tril_indices(len(target.values), -1)
        turned = np.sign(scale[:, first] * scale[:, second])
        return PredictedGaussian.of(residual * scale, sigma * np.abs(scale), correlation * turned)

    def _measure(
        self,
        rows: Predictions,
        target: Target,
        own: PredictedGaussian,
        others: Mapping[str, PredictedGaussian],
        chosen: Values,
    ) -> dict[str, Measurement]:
        weights = rows.weights.astype(np.float64) * chosen
        event = rows.columns.get(EVENT_ROW, np.arange(len(rows)))

        def average(values: Values) -> Measurement:
            return ratio_of_sums(np.bincount(event, weights * values), np.bincount(event, weights))

        found: dict[str, Measurement] = {}
        for k, value in enumerate(target.values):
            pulls = -own.pulls[:, k]  # (predicted − true)/σ
            middle = average(pulls)
            variance = average((pulls - middle.value) ** 2)
            width = float(np.sqrt(variance.value))
            found[f"pull_mean/{value}"] = middle
            found[f"pull_width/{value}"] = Measurement(width, variance.error / (2 * width))
            found[f"residual/{value}"] = half_width(own.residual[:, k], weights)
        found["ellipse_coverage"] = average(own.inside(self.level).astype(np.float64))
        logs = own.log_likelihoods
        found["log_likelihood"] = average(logs)
        for name, other in others.items():
            found[f"log_likelihood_gain/{name}"] = average(logs - other.log_likelihoods)
        return found

    def _table(
        self,
        rows: Predictions,
        target: Target,
        found: Mapping[str, PredictedGaussian],
        metrics: Mapping[str, Metrics],
        end: str,
        chosen: Values,
    ) -> Table:
        others = {name: one for name, one in found.items() if name in self.baselines}
        cells: list[list[str]] = []
        names: list[str] = []
        for name, own in found.items():
            measured = self._measure(rows, target, own, others, chosen)
            names = list(measured)
            if name in others:  # to itself
                measured[f"log_likelihood_gain/{name}"] = Measurement(np.nan)
            if name in metrics:  # the mean over trainings
                measured = {k: Measurement.from_dict(metrics[name][f"{k}{end}"]) for k in names}
            cells.append([name, *(str(measured[key]) for key in names)])
        where = f" with {self.by} {end[1:]}" if end else ""
        return Table(
            f"{int(chosen.sum()):,} rows of '{target.name}'{where}: pulls, half of the central "
            f"68 % width of the residuals, coverage of the ellipse of {100 * self.level:g} %, mean "
            "log-likelihood in nats and its difference to the baselines.",
            ["", *(key.replace("_", " ") for key in names)],
            cells,
        )

    def _plots(
        self, rows: Predictions, target: Target, found: Mapping[str, PredictedGaussian]
    ) -> Iterator[Plot]:
        weights = rows.weights
        for k, value in enumerate(target.values):
            pulls = {name: -one.pulls[:, k] for name, one in found.items()}
            yield Plot(f"Pull of {value}.", plot_pull(pulls, weights))
        inside = {name: one.inside(self.level).astype(float) for name, one in found.items()}
        logs = {name: one.log_likelihoods for name, one in found.items()}
        for column in self.against:
            label, x = axis_label(column, rows.known_units.get(column)), spectator(rows, column)
            for k, value in enumerate(target.values):
                pulls = {name: one.pulls[:, k] for name, one in found.items()}
                drawn = plot_metric_profile(
                    pulls, x, pull_width, (label, f"Width of the pull of {value}"), weights
                )
                yield Plot(f"Width of the pull of {value} against {column}.", drawn)
            title = f"Coverage of the {100 * self.level:g} % ellipse"
            drawn = plot_metric_profile(inside, x, mean, (label, title), weights)
            yield Plot(f"{title} against {column}.", drawn)
            for name in self.baselines:
                gain = {n: one - logs[name] for n, one in logs.items() if n != name}
                title = f"Log-likelihood beside {name} [nats]"
                drawn = plot_metric_profile(gain, x, mean, (label, title), weights)
                yield Plot(
                    f"Mean difference of the log-likelihood to {name} against {column}.", drawn
                )


def _pairs(target: Target) -> list[tuple[str, str]]:
    """Return the pairs of values (1, 0), (2, 0), (2, 1), …, the earlier value first."""
    values = target.values
    return [(values[b], values[a]) for a in range(len(values)) for b in range(a)]


def _quantities(target: Target) -> list[Quantity]:
    found = [Quantity(value) for value in target.values]
    found += [Quantity(value, "sigma") for value in target.values]
    return found + [Quantity(f"{a}_{b}", "correlation") for a, b in _pairs(target)]


def _columns(prefix: str, target: Target) -> list[str]:
    return [f"{prefix}_{one.name}" for one in _quantities(target)]
