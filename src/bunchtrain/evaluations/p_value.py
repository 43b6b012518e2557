"""p-value of a test statistic by toys of the null hypothesis, and the power for a signal.

p = (k + 1)/(n + 1) for k of n toys at or above the observed value, with the Clopper–Pearson
interval of k/n; Z = Φ⁻¹(1 − p).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.evaluations._repetitions import read_repetitions
from bunchtrain.parts.ranges import InnerFraction
from bunchtrain.plots import plot_null, plot_p_values
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.labels import label
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Measurement, Metrics
from bunchtrain.statistics.toys import PValue as Found
from bunchtrain.statistics.toys import p_value, p_values, power, uniformity
from bunchtrain.study import Study

Values = NDArray[np.float64]
#: Plots of distributions at most.
_PLOTS = 4
#: Toys below which their distribution is not drawn.
_MIN_TOYS = 10


class PValue(Evaluation):
    """p-value and significance of each test statistic, from toys of a stage `repeat`.

    A statistic is a metric that large values of speak against the null hypothesis, measured for
    the observed data and in each toy.

    null         Stage of kind `repeat` with toys of the null hypothesis.
    observed     Stage with the predictions of the observed data, which an evaluation measures.
    statistics   Metrics such as `fit.log_likelihood_ratio`; all that toys and observation have
                 if unset.
    alternative  Stage of kind `repeat` with toys of signals, for the power.
    size         Of the test, the p-value below which the null hypothesis is rejected.
    """

    def __init__(
        self,
        *,
        null: str,
        observed: str | None = None,
        statistics: Sequence[str] = (),
        alternative: str | None = None,
        size: InnerFraction = 0.05,
    ) -> None:
        self.null, self.observed, self.size = null, observed, size
        self.statistics, self.alternative = tuple(statistics), alternative

    def check(self, study: Study) -> None:
        """Raise StudyError if there are no such stages of kind `repeat`."""
        repeats = [name for name, one in study.stages.items() if one.kind == "repeat"]
        for option, name in (("null", self.null), ("alternative", self.alternative)):
            if name is not None and name not in repeats:
                hint = nearest(name, repeats) or "; add it to 'stages'"
                raise StudyError(
                    f"evaluation '{self.name}': {option}: there is no stage '{name}' of kind "
                    f"'repeat'{hint}"
                )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return p-values and powers of the statistics."""
        null = read_repetitions(run, self.null).metrics
        metrics: dict[str, Metrics] = {}
        rows, plots = list[list[object]](), list[Plot]()
        measured = self._measured(run)
        for statistic in self._statistics(measured, null):
            model, _, metric = statistic.rpartition(".")
            observed = float(measured[model][metric]["value"])
            found = p_value(observed, null[statistic])
            own = metrics.setdefault(model, {})
            own[f"{metric}_p_value"] = found.value.as_dict()
            own[f"{metric}_significance"] = found.significance.as_dict()
            rows.append(self._row(model, metric, found))
            if len(plots) < _PLOTS and found.toys >= _MIN_TOYS:
                degrees = None if np.isnan(found.degrees) else found.degrees
                drawn = plot_null(null[statistic], observed, f"{label(metric)}, {model}", degrees)
                plots.append(Plot(f"{label(metric)} of {model}: toys of the null.", drawn))
        tables = [Table(f"p-values by the toys of '{self.null}'.", _COLUMNS, rows)]
        if self.alternative is not None:
            tables.append(self._powers(run, null, metrics, plots))
        return Results(metrics, plots, tables)

    def _measured(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of the run, those of the stage `observed` under the models' names."""
        prefix = f"{self.observed}."
        own = {n.removeprefix(prefix): m for n, m in run.metrics.items() if n.startswith(prefix)}
        return {**run.metrics, **own}

    def _statistics(self, measured: Mapping[str, Metrics], null: Mapping[str, Values]) -> list[str]:
        """Return the statistics; raises DataError, naming the nearest, for one that is missing."""
        names = {f"{m}.{name}" for m, found in measured.items() for name in found}
        known = [name for name in null if name in names]
        for name in self.statistics:
            if name not in known:
                raise DataError(
                    f"evaluation '{self.name}': no metric '{name}' of both toys and observed data"
                    f"{nearest(name, known)}"
                )
        if not known:
            raise DataError(
                f"evaluation '{self.name}': toys and observed data have no metric in common; make "
                "an evaluation of the stage 'observed' that is made in each toy, too"
            )
        return list(self.statistics) or known

    def _row(self, model: str, metric: str, found: Found) -> list[object]:
        fitted = ["–"] * 3
        if not np.isnan(found.degrees):
            numbers = (found.degrees, found.chi_squared, found.goodness)
            fitted = [f"{one:.3g}" for one in numbers]
        own = [f"{found.observed:.4g}", found.toys, str(found.value), str(found.significance)]
        return [model, label(metric), *own, *fitted]

    def _powers(
        self,
        run: EvaluatedRun,
        null: dict[str, Values],
        metrics: dict[str, Metrics],
        plots: list[Plot],
    ) -> Table:
        """Return the power for each signal, and add metrics and a plot."""
        varied, toys, _ = read_repetitions(run, str(self.alternative))
        rows, curves = list[list[object]](), dict[str, Values]()
        statistics = [name for name in self._statistics(self._measured(run), null) if name in toys]
        values = np.stack([*varied.values()], 1) if varied else None
        signals = np.unique(values, axis=0) if values is not None else np.zeros((1, 0))
        for signal in signals:
            chosen = np.full(len(next(iter(toys.values()))), True)
            if values is not None:
                chosen = (values == signal).all(1)
            named = ", ".join(f"{v:g}" for v in signal) or "all"
            for statistic in statistics:
                model, _, metric = statistic.rpartition(".")
                seen = toys[statistic][chosen]
                found = power(seen, null[statistic], self.size)
                is_null = bool(len(signal)) and not signal.any()
                uniform = uniformity(seen, null[statistic])
                metrics[model][f"{metric}_power/{named}"] = found.as_dict()
                if is_null:
                    metrics[model][f"{metric}_uniformity"] = Measurement(uniform).as_dict()
                shown = f"{uniform:.3g}" if is_null else "–"
                rows.append([named, model, label(metric), len(seen), str(found), shown])
                if statistic == statistics[0]:
                    curves[f"signal {named}"] = p_values(seen, null[statistic])
        if statistics:
            model, _, metric = statistics[0].rpartition(".")
            text = f"p-values of toys with a signal, {label(metric)} of {model}."
            plots.append(Plot(text, plot_p_values(curves)))
        caption = (
            f"Power of a test of size {self.size:g}: the share of toys of '{self.alternative}' "
            "with a smaller p-value. Without a signal it is the size; 'uniformity' is the p-value "
            "of the Kolmogorov–Smirnov test of these toys against the null."
        )
        what = ", ".join(varied) or "Signal"
        columns = [what, "Model", "Statistic", "Toys", "Power", "Uniformity"]
        return Table(caption, columns, rows)


_COLUMNS = [
    *("Model", "Statistic", "Observed", "Toys", "p-value", "Z"),
    *("χ² d.o.f.", "p-value of χ²", "Goodness of χ²"),
]
