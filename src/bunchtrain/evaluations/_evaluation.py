"""The interface of evaluations, and of the finished run that one reads."""

from __future__ import annotations

import json
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import awkward as ak
import numpy as np

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import cluster_bootstrap
from bunchtrain.statistics.metrics import Metrics, average_seeds
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.predictions import EVENT_ROW, Predictions, Values
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms.windows import SERIES
from bunchtrain.targets import Target
from bunchtrain.trained_model import TrainedModel


class EvaluatedRun(Protocol):
    """A finished run, or runs of several folds as one, as an evaluation reads it."""

    @property
    def study(self) -> Study:
        """The full study."""

    @property
    def predictions(self) -> Predictions:
        """Truth and predictions of the test set; of several folds those of all."""

    @property
    def models(self) -> Mapping[str, TrainedModel]:
        """The first training of each model, loaded when used; of several folds the first's."""

    @property
    def metrics(self) -> Mapping[str, Metrics]:
        """Model → metric → {value, error}, of the evaluations that were made before."""

    @property
    def folder(self) -> Path:
        """Folder of the run, of several folds the first's."""

    @property
    def folds(self) -> int:
        """Number of runs that are evaluated as one."""

    @property
    def fold_sizes(self) -> Sequence[int]:
        """Number of events of the test set of each of these runs, in the order of their events."""

    def events(
        self, rows: int, columns: Collection[str] | None = None, split: str = "test"
    ) -> Iterator[ak.Array]:
        """Yield the test set, or another one, from the cache in blocks of at most `rows` events.

        Raises DataError if the cache was deleted and cannot be recreated.
        """

    def shifted(self, systematic: str, size: float | None, deviations: float) -> Predictions:
        """Return the predictions of the test set under a systematic effect.

        systematic  name of an effect of the study, or of a part.
        size        one standard deviation of it; the study's or the part's own if None.
        deviations  shift in standard deviations, as +1 or −1.
        """

    def shifted_columns(self, systematic: str, size: float | None) -> Mapping[str, Sequence[str]]:
        """Return `changed`, `unchanged` and `inputs`, the columns under an effect.

        The predictions under one standard deviation of it must have been made.
        """

    @property
    def conditions(self) -> Mapping[str, Table]:
        """Small tables that travel with the events, such as the geometry of a detector."""

    def json(self, name: str) -> Any:
        """Return the content of a JSON file of the run, or {} where there is none."""


class Evaluation(ABC):
    """An evaluation of a finished run; its options are keyword arguments of its constructor."""

    #: Whether it reads exports, so that it is made after them.
    after_export: bool = False
    #: Whether it reads the metrics of the evaluations before it.
    reads_metrics: bool = False
    #: Whether it is for targets of events alone, not of points and edges.
    of_events: bool = False

    def check(self, study: Study) -> None:  # noqa: B027 (optional)
        """Raise StudyError, before any work, if the study lacks what is evaluated."""

    @abstractmethod
    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, plots and tables of a finished run."""

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics alone, without plots where they are costly, e.g. for a search."""
        return self.evaluate(run).metrics

    @property
    def name(self) -> str:
        """Name of the part: that of its file."""
        return type(self).__module__.rpartition(".")[2]

    def class_target(self, study: Study, target: str | None, *, truth: bool = False) -> Target:
        """Return the target with classes of this name, the first one if None.

        With `truth` it may also be one that no model predicts.

        Raises StudyError, naming the nearest, if there is none.
        """
        known = study.all_targets() if truth else study.predicted_targets()
        known = [one for one in known if one.axis == "event" or not self.of_events]
        found = {one.name: one for one in known if one.classes}
        if target is None and found:
            return next(iter(found.values()))
        if target is None or target not in found:
            named = f"target '{target}'" if target else "a target"
            hint = nearest(target or "", found)
            raise StudyError(f"evaluation '{self.name}' needs {named} with classes{hint}")
        return found[target]

    def two_samples(self, study: Study, target: str | None) -> Target:
        """Return the target of two classes, the reference and the data, as `class_target` does.

        Raises StudyError for another number of classes.
        """
        found = self.class_target(study, target)
        if len(found.classes) != 2:
            raise StudyError(
                f"evaluation '{self.name}': target '{found.name}' has {len(found.classes)} "
                "classes; give one of two, the reference and the data"
            )
        return found

    def find_class(self, target: Target, label: str, option: str) -> int:
        """Return the index of a class.

        Raises StudyError, naming the nearest, if the target has none of this name.
        """
        if label not in target.classes:
            hint = nearest(label, target.classes) or f"; there are {', '.join(target.classes)}"
            raise StudyError(
                f"evaluation '{self.name}': {option}: target '{target.name}' has no class "
                f"'{label}'{hint}"
            )
        return target.classes.index(label)

    def need_spectator(self, study: Study, column: str, option: str) -> None:
        """Raise StudyError, naming the nearest, if a column is not among the spectators."""
        if column not in study.spectators:
            hint = nearest(column, study.spectators) or "; add it there"
            raise StudyError(
                f"evaluation '{self.name}': {option} '{column}' is not listed in 'spectators'{hint}"
            )


def average_trainings(
    predictions: Predictions, measure: Callable[[str], Metrics]
) -> dict[str, Metrics]:
    """Return model or ensemble → its metrics, means over its trainings; {} where it has none.

    predictions  Table of a run.
    measure      Name of a training → its metrics.
    """
    found = {
        name: [metrics for one in predictions.trainings(name) if (metrics := measure(one))]
        for name in predictions.estimators
    }
    return {name: average_seeds(metrics) for name, metrics in found.items()}


def measure_by_event(measure: Callable[[Values], Metrics], table: Predictions) -> Metrics:
    """Return metrics of the rows of a target, with uncertainties that hold for correlated rows.

    Points and edges of one event, and windows of one series, are correlated, so that whole events
    or series are resampled.

    measure  weights of the rows (rows,) → metrics.
    table    rows of the target.
    """
    group = correlated_rows(table)
    if group is None:
        return measure(table.weights)
    return cluster_bootstrap(measure, group, table.weights)


def correlated_rows(table: Predictions) -> Values | None:
    """Return the index of the event or series of each row, (rows,), None if rows are independent.

    Series are those of the spectator `series_index` of windows. The rows of a single event or
    series count as independent: there are no others to be resampled.
    """
    for column in (EVENT_ROW, SERIES):
        if column in table.columns:
            return _groups(table.columns[column])
    return None


def _groups(values: Values) -> Values | None:
    """Return the index of the distinct value of each row, (rows,), None if there is only one."""
    distinct, index = np.unique(values, return_inverse=True)
    return index if len(distinct) > 1 else None


def spectator(predictions: Predictions, name: str) -> Values:
    """Return a spectator, (events,).

    Raises DataError, naming the nearest, if the predictions were made without it.
    """
    if name not in predictions.columns:
        hint = nearest(name, predictions.columns) or "; run the study again"
        raise DataError(f"the predictions have no column '{name}'{hint}")
    found: Values = predictions.columns[name]
    return found


def series_of_rows(run: EvaluatedRun, column: str | None) -> Values | None:
    """Return the index of the series of each row, (rows,), None if rows are independent.

    column  Spectator that identifies it; if None, `series_index` of the windows of a series.
    """
    if column is None:
        return correlated_rows(run.predictions)
    return _groups(spectator(run.predictions, column))


def events_with_predictions(run: EvaluatedRun, rows: int) -> Iterator[tuple[ak.Array, Predictions]]:
    """Yield the test set in blocks of at most `rows` events, each with its predictions.

    Raises DataError if the events are no longer those of the predictions.
    """
    entries, start = run.predictions.columns["entry"], 0
    for events in run.events(rows):
        index = np.arange(start, start + len(events))
        if index[-1] >= len(entries) or np.any(ak.to_numpy(events["entry"]) != entries[index]):
            raise DataError(f"the events are no longer those of {run.folder}; run the study again")
        yield events, run.predictions.take(index)
        start += len(events)


def models_by_representation(run: EvaluatedRun) -> list[dict[str, TrainedModel]]:
    """Return the models in groups of the same representation and options."""
    groups: dict[str, dict[str, TrainedModel]] = {}
    for name, trained in run.models.items():
        key = json.dumps(trained.task.representation, sort_keys=True, default=str)
        groups.setdefault(key, {})[name] = trained
    return list(groups.values())


def any_model_implements(study: Study, interface: type[Any]) -> bool:
    """Return whether the class of a model of the study has an optional interface of models."""
    models = model_configs(study).values()
    found = (parts.find(one.kind, one.model.name) for one in models)
    return any(issubclass(one, interface) for one in found)
