"""Energies and classes of objects made of points, predicted at the point of largest β of each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.errors import StudyError, nearest
from bunchtrain.evaluations._matched_clusters import (
    Found,
    at_centres,
    calibrated,
    energy_metrics,
    pair_keys,
)
from bunchtrain.evaluations._object_evaluation import of_particles
from bunchtrain.parts.options import Options
from bunchtrain.plots import axis_label, plot_confusion, plot_metric_profile
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement, half_width, mean
from bunchtrain.tables.predictions import Predictions, Values
from bunchtrain.targets import Quantity, Target
from bunchtrain.targets.quantity import BETA

#: Bins of the energy.
BINS = 8
#: Fractions (true class, predicted class), the class first.
Cells = list[list[Measurement]]


@dataclass(frozen=True)
class ObjectProperties(Options):
    """Properties of objects that a network predicts with the loss `object_condensation`.

    log_energy     Property that is the logarithm of `object_energy`.
    object_energy  Column of true objects with their energy.
    object_class   Property that is 1 for objects of a class and 0 for others.
    class_names    Names of the class and of the others.
    """

    log_energy: str | None = None
    object_energy: str | None = None
    object_class: str | None = None
    class_names: tuple[str, str] = ("class", "other")

    @property
    def are_given(self) -> bool:
        """Whether there is something to compare."""
        return (self.log_energy or self.object_class or self.object_energy) is not None

    def check(self, where: str, target: Target) -> None:
        """Raise StudyError for a property that the target has not, or an energy without truth."""
        if (self.log_energy is None) != (self.object_energy is None):
            raise StudyError(
                f"{where}: 'log_energy', a value of the target, and 'object_energy', a column of "
                "true objects, are needed together"
            )
        known = target.values[1:]
        for option in ("log_energy", "object_class"):
            given = getattr(self, option)
            if given is not None and given not in known:
                raise StudyError(
                    f"{where}: {option}: target '{target.name}' has no property '{given}'"
                    f"{nearest(given, known)}"
                )


@dataclass(frozen=True)
class PropertyComparison:
    """Properties of matched clusters beside those of their true objects.

    properties  that are compared.
    table       predictions.
    target      of the loss `object_condensation`.
    truth       identifier of the true object of each point, in lists.
    particles   prefix of the lists of true objects.
    """

    properties: ObjectProperties
    table: Predictions
    target: Target
    truth: ak.Array
    particles: str | None

    def metrics(self, training: str, objects: ak.Array, found: Found) -> dict[str, Measurement]:
        """Return the metrics of a training, from the objects of its points, in lists."""
        made: dict[str, Measurement] = {}
        if self.properties.log_energy:
            response = self.energies(training, objects, found) / self.true_energies(found)
            made |= energy_metrics(response, found.event, self.table.weights)
        if self.properties.object_class:
            predicted, true = self.classes(training, objects, found)
            passed, known = predicted == true, np.isfinite(predicted)
            made["object_class_accuracy"] = self.fraction(passed, known, found.event)
        return made

    def true_energies(self, found: Found) -> Values:
        """Return the energies of the true objects that count, (particles,)."""
        lists = self.table.columns[str(self.properties.object_energy)]
        return of_particles(lists, found.event, found.identifier, self.particles)

    def energies(self, training: str, objects: ak.Array, found: Found) -> Values:
        """Return the predicted energy of each true object, NaN without a cluster, (particles,)."""
        predicted = self._predicted(training, str(self.properties.log_energy), objects, found)
        energy: Values = np.exp(predicted)
        return energy

    def classes(self, training: str, objects: ak.Array, found: Found) -> tuple[Values, Values]:
        """Return predicted and true class, 1 or 0, (particles,) each; NaN without a cluster."""
        name = str(self.properties.object_class)
        predicted = self._predicted(training, name, objects, found)
        event = np.repeat(np.arange(len(self.truth)), ak.to_numpy(ak.num(self.truth)))
        known, first = np.unique(pair_keys(event, _flat(self.truth)), return_index=True)
        place = first[np.searchsorted(known, pair_keys(found.event, found.identifier))]
        true = _flat(self.table.truth(self.target.name, name))[place]
        decided = np.where(np.isnan(predicted), np.nan, predicted > 0.5)
        return decided, np.asarray(true > 0.5, np.float64)

    def _predicted(self, training: str, name: str, objects: ak.Array, found: Found) -> Values:
        labels = (Quantity(name), Quantity(BETA))
        columns = [self.table.column(training, self.target.name, one) for one in labels]
        event = np.repeat(np.arange(len(objects)), ak.to_numpy(ak.num(objects)))
        values, beta, index = map(_flat, (*columns, objects))
        return found.of_objects(at_centres(values, beta, event, index, found.clusters))

    def confusion(self, predicted: Values, true: Values, event: Values) -> Cells:
        """Return the confusion matrix, whose rows sum to 1."""
        known = np.isfinite(predicted)
        return [
            [self.fraction(predicted == column, known & (true == row), event) for column in (1, 0)]
            for row in (1, 0)
        ]

    def fraction(self, passed: Values, known: Values, event: Values) -> Measurement:
        """Return the fraction of the known objects that pass; those of an event are correlated."""
        weights = self.table.weights
        right, total = (np.bincount(event, one, len(weights)) for one in (passed & known, known))
        return ratio_of_sums(right, total, weights)


def add_properties(
    results: Results,
    comparison: PropertyComparison,
    objects: Mapping[str, ak.Array],
    found: Mapping[str, Found],
) -> None:
    """Add tables and plots of energies and classes to results.

    objects  model → the object of each point, in lists.
    found    model or rival → its clusters.
    """
    if comparison.properties.log_energy:
        _add_energies(results, comparison, objects, found)
    if comparison.properties.object_class:
        _add_classes(results, comparison, objects, found)


def _add_energies(
    results: Results,
    comparison: PropertyComparison,
    objects: Mapping[str, ak.Array],
    found: Mapping[str, Found],
) -> None:
    first = next(iter(found.values()))
    true, weights = comparison.true_energies(first), comparison.table.weights
    energies = {}
    for name, one in found.items():
        if name in objects:
            energies[name] = comparison.energies(name, objects[name], one)
        energies[f"{name}, sum"] = calibrated(one, true)
        if name in objects and comparison.properties.object_class:
            classes = comparison.classes(name, objects[name], one)[0]
            energies[f"{name}, sum by class"] = calibrated(one, true, classes)
    responses = {name: one / true for name, one in energies.items()}
    rows = []
    for name, response in responses.items():
        measured = energy_metrics(response, first.event, weights)
        rows.append([name, *(str(value) for value in measured.values())])
    caption = (
        "Predicted energies of matched objects over the true ones, and sums of the energies of "
        "their points, calibrated with one half of the events for the other half, also for each "
        "predicted class by itself."
    )
    results.tables.append(Table(caption, ["", "mean", "half 68 % width"], rows))
    label = str(comparison.properties.object_energy)
    if true.min() < true.max():
        unit = comparison.table.known_units.get(label)
        results.plots += _energy_plots(
            responses, true, weights[first.event], axis_label(label, unit)
        )


def _energy_plots(
    responses: Mapping[str, Values], true: Values, weights: Values, label: str
) -> Iterator[Plot]:
    """Yield mean and width of the responses (particles,) in bins of the true energy.

    label  axis label of the true energy.
    """
    for name, measure in (("Mean", mean), ("Half 68 % width", half_width)):

        def known(values: Values, weight: Values, measure: Any = measure) -> Measurement:
            has_one = np.isfinite(values)
            if has_one.sum() < 2:
                return Measurement(np.nan)
            found: Measurement = measure(values[has_one], weight[has_one])
            return found

        labels = (label, f"{name} of energy / true energy")
        drawn = plot_metric_profile(responses, true, known, labels, weights, BINS)
        yield Plot(f"{name} of the energy of matched objects against the true one.", drawn)


def _add_classes(
    results: Results,
    comparison: PropertyComparison,
    objects: Mapping[str, ak.Array],
    found: Mapping[str, Found],
) -> None:
    names, rows = comparison.properties.class_names, []
    for model, lists in objects.items():
        predicted, true = comparison.classes(model, lists, found[model])
        event, known = found[model].event, np.isfinite(predicted)
        cells = comparison.confusion(predicted, true, event)
        shown = [comparison.fraction(predicted == true, known, event)]
        shown += [cells[0][0], cells[1][1], comparison.fraction(true == 1, known, event)]
        rows.append([model, *map(str, shown)])
        values, errors = (
            np.array([[getattr(one, key) or 0.0 for one in row] for row in cells])
            for key in ("value", "error")
        )
        drawn = plot_confusion(values, errors, names)
        results.plots.append(Plot(f"Classes of the matched objects of {model}.", drawn))
    heads = ["", "accuracy", *(f"of {one}" for one in names), f"true fraction of {names[0]}"]
    results.tables.append(Table("Matched objects whose class is right.", heads, rows))


def _flat(values: Any) -> Values:
    return np.asarray(ak.to_numpy(ak.flatten(values)), np.float64)
