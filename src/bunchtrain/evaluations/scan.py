"""Metrics of a stage `repeat` against the value that it varies, with a row for each value."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest, one_of
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.evaluations._repetitions import read_repetitions
from bunchtrain.plots import axis_label, plot_scan
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.labels import label
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Measurement, Metrics, repeated_mean
from bunchtrain.statistics.toys import z_score
from bunchtrain.study import Study

Values = NDArray[np.float64]
Curves = Mapping[str, Sequence[Measurement]]
#: End of the names of metrics that are p-values.
P_VALUE = "p_value"


class Scan(Evaluation):
    """Metrics of each model at each value of a stage `repeat`, e.g. the p-value against the mass.

    Of several repetitions with a value it is the mean, with Student's t in its error. Of p-values
    there is the smallest one p of n, too, and the global one, 1 − (1 − p)ⁿ: the probability of such
    a one among n independent values, as in windows without common events; an upper limit otherwise.

    repeat   Stage of kind `repeat`, over `scan` or `signals`.
    metrics  Metrics such as `auc`; all if unset.
    against  Key that is varied; may be left out if there is only one.
    label    Name of the value on axes and in tables; the last part of the key if unset.
    unit     Of the value, e.g. TeV.
    """

    def __init__(
        self,
        *,
        repeat: str,
        metrics: Sequence[str] = (),
        against: str | None = None,
        label: str | None = None,
        unit: str | None = None,
    ) -> None:
        self.repeat, self.chosen, self.against = repeat, tuple(metrics), against
        self.label, self.unit = label, unit

    def check(self, study: Study) -> None:
        """Raise StudyError if there is no such stage, or it does not vary the value."""
        scans = {
            name: [*one.options.scan]
            for name, one in study.stages.items()
            if one.kind == "repeat" and one.options.scan
        }
        where = f"evaluation '{self.name}'"
        if self.repeat not in scans:
            hint = nearest(self.repeat, scans) or "; add it to 'stages'"
            raise StudyError(
                f"{where}: repeat: there is no stage '{self.repeat}' of kind 'repeat' over 'scan' "
                f"or 'signals'{hint}"
            )
        keys = scans[self.repeat]
        if self.against is None and len(keys) > 1:
            raise StudyError(f"{where}: '{self.repeat}' varies {one_of(keys)}; name one 'against'")
        if self.against is not None and self.against not in keys:
            hint = nearest(self.against, keys) or f"; it varies {one_of(keys)}"
            raise StudyError(
                f"{where}: against: '{self.repeat}' does not vary '{self.against}'{hint}"
            )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return the metrics, a table with a row for each value, and a plot of each metric."""
        varied, metrics, errors = read_repetitions(run, self.repeat)
        key = self.against or next(iter(varied))
        values = np.unique(varied[key])
        at = [varied[key] == value for value in values]
        found = {
            name: [_mean(one[rows], errors[name][rows]) for rows in at]
            for name, one in metrics.items()
            if name.rpartition(".")[2] in self._chosen(metrics)
        }
        axis = axis_label(self.label or key.rpartition(".")[2], self.unit)
        return Results(
            _as_metrics(values, found),
            [*_plots(values, found, axis)],
            [_table(values, found, axis, self.repeat), *_smallest_table(values, found, axis)],
        )

    def _chosen(self, metrics: Collection[str]) -> list[str]:
        """Return the metrics; raises DataError, naming the nearest, for one that is missing."""
        known = list(dict.fromkeys(name.rpartition(".")[2] for name in metrics))
        for name in self.chosen:
            if name not in known:
                hint = nearest(name, known) or f"; there are {one_of(known)}"
                raise DataError(
                    f"evaluation '{self.name}': '{self.repeat}' has no metric '{name}'{hint}"
                )
        if not known:
            raise DataError(
                f"evaluation '{self.name}': '{self.repeat}' has no metrics; add an evaluation "
                "'of' one of its stages"
            )
        return list(self.chosen) or known


def _mean(values: Values, errors: Values) -> Measurement:
    """Return the value of one repetition, or the mean of several."""
    if len(values) == 1:
        return Measurement(float(values[0]), float(errors[0]))
    return repeated_mean(values[np.isfinite(values)])


def _by_metric(found: Curves) -> Mapping[str, Curves]:
    """Return metric → model → measurements."""
    sorted_: dict[str, dict[str, Sequence[Measurement]]] = {}
    for name, one in found.items():
        model, _, metric = name.rpartition(".")
        sorted_.setdefault(metric, {})[model] = one
    return sorted_


def _plots(values: Values, found: Curves, axis: str) -> Iterator[Plot]:
    for metric, curves in _by_metric(found).items():
        drawn = plot_scan(
            values.tolist(), curves, axis, label(metric), are_p_values=metric.endswith(P_VALUE)
        )
        yield Plot(f"{label(metric)} against {axis}.", drawn, wide=True)


def _table(values: Values, found: Curves, axis: str, stage: str) -> Table:
    """Return the table with a row for each value."""
    named = [name.rpartition(".") for name in found]
    columns = [axis, *(f"{label(metric)}, {model}" for model, _, metric in named)]
    rows = [[f"{v:g}", *(str(one[i]) for one in found.values())] for i, v in enumerate(values)]
    return Table(f"Each value of the stage '{stage}'.", columns, rows)


def _smallest(points: Sequence[Measurement]) -> tuple[int, float, float]:
    """Return the index of the smallest p-value, it, and the global one; NaN without any."""
    p = np.array([one.value for one in points], np.float64)
    if not np.isfinite(p).any():
        return 0, np.nan, np.nan
    index, count = int(np.nanargmin(p)), int(np.isfinite(p).sum())
    return index, float(p[index]), float(-np.expm1(count * np.log1p(-min(p[index], 1 - 1e-16))))


def _as_metrics(values: Values, found: Curves) -> dict[str, Metrics]:
    """Return model → `metric/value` → measurement, and the smallest p-values."""
    made: dict[str, Metrics] = {}
    for name, points in found.items():
        model, _, metric = name.rpartition(".")
        own = made.setdefault(model, {})
        for value, one in zip(values, points, strict=True):
            own[f"{metric}/{value:g}"] = one.as_dict()
        if metric.endswith(P_VALUE):
            index, p, everywhere = _smallest(points)
            own[f"smallest_{metric}"] = Measurement(p).as_dict()
            own[f"smallest_{metric}_at"] = Measurement(float(values[index])).as_dict()
            own[f"global_{metric}"] = Measurement(everywhere).as_dict()
    return made


def _smallest_table(values: Values, found: Curves, axis: str) -> Iterator[Table]:
    """Yield the table of the smallest p-values, if there are any."""
    rows = list[list[object]]()
    for name, points in found.items():
        model, _, metric = name.rpartition(".")
        if metric.endswith(P_VALUE):
            index, *both = _smallest(points)
            cells = (cell for p in both for cell in (f"{p:.3g}", f"{z_score(p):.2f}"))
            rows.append([model, label(metric), f"{values[index]:g}", *cells])
    if rows:
        columns = ["Model", "Metric", axis, "Smallest p-value", "Z", "Global p-value", "Global Z"]
        caption = f"Smallest of {len(values)} p-values, and the probability of such a one."
        yield Table(caption, columns, rows)
