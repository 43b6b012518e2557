"""Efficiency of assignments: events and particles whose items are all assigned correctly.

As in arXiv:2106.03898: the particle efficiency is that of all particles of which every product is
there, the event efficiency that of complete events, in which this holds for all particles.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import (
    EvaluatedRun,
    Evaluation,
    average_trainings,
    events_with_predictions,
)
from bunchtrain.networks.layers.combination_readout import mass_sets
from bunchtrain.plots import plot_assigned_masses, plot_assignment_efficiency
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.representations.preprocessing.points import Points
from bunchtrain.statistics.assignment import Flags, Matched, in_count, match, particle_efficiency
from bunchtrain.statistics.metrics import Floats, Measurement, Metrics, efficiency, measurements
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.predictions import Predictions
from bunchtrain.targets import Assignment, Quantity, Target

#: Events in a block.
ROWS = 16384
KINDS = ("right", "wrong", "true particle incomplete")


@dataclass(frozen=True)
class Items:
    """The items of the group of each event.

    counts   (events,).
    momenta  (items, 4) as (E, px, py, pz) in GeV, None for a group without momenta.
    """

    counts: NDArray[np.int64]
    momenta: Floats | None


class AssignmentEfficiency(Evaluation):
    """Event and particle efficiency by number of items, and masses of the assigned particles.

    target  Target with `assign`; the first one if None.
    items   Numbers of items that are bins, the last one of so many or more; as many as there are
            products, one and two more if empty.
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        items: tuple[Annotated[int, Field(ge=1, le=10_000)], ...] = (),
    ) -> None:
        self.target, self.items = target, items

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, or bins that do not rise."""
        self._target(study)
        if list(self.items) != sorted(set(self.items)):
            raise StudyError(f"evaluation '{self.name}': items must rise, got {list(self.items)}")

    def _target(self, study: Study) -> tuple[Target, Assignment]:
        known = {one.name: one for one in study.predicted_targets() if one.assignment}
        if known and self.target in (None, *known):
            found = known[self.target] if self.target else next(iter(known.values()))
            assert found.assignment is not None  # as those known
            return found, found.assignment
        named = f"target '{self.target}'" if self.target else "a target"
        raise StudyError(
            f"evaluation '{self.name}' needs {named} with 'assign'"
            f"{nearest(self.target or '', known)}"
        )

    def _bins(self, assignment: Assignment) -> tuple[int, ...]:
        roles = len(assignment.roles)
        return tuple(self.items) or (roles, roles + 1, roles + 2)

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, a table by number of items, and plots.

        Raises DataError for a test set without complete particles.
        """
        items = _items(run, self._target(run.study)[1])
        found = self._measure_all(run, items)
        plots = [*self._efficiency_plots(run, found, items), *self._mass_plots(run, items)]
        return Results(found, plots, self._tables(run, items))

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of each model, without plots and tables."""
        return self._measure_all(run, _items(run, self._target(run.study)[1]))

    def _measure_all(self, run: EvaluatedRun, items: Items | None) -> dict[str, Metrics]:
        return average_trainings(run.predictions, partial(self._measure, run, items))

    def _matched(self, run: EvaluatedRun, training: str) -> Matched | None:
        """Return which particles a training assigns correctly, None if it has no assignment.

        Raises DataError for a test set without complete particles.
        """
        target, assignment = self._target(run.study)
        predicted = assigned_items(run.predictions, training, target, assignment)
        if predicted is None:
            return None
        found = match(predicted, true_items(run.predictions, target, assignment), assignment)
        if not found.is_complete.any():
            raise DataError(
                f"evaluation '{self.name}': the test set has no event in which a particle of "
                f"'{target.name}' has all of its products"
            )
        return found

    def _measure(self, run: EvaluatedRun, items: Items | None, training: str) -> Metrics:
        matched, (target, assignment) = self._matched(run, training), self._target(run.study)
        if matched is None:
            return {}
        weights, found = run.predictions.weights, dict[str, Measurement]()
        chosen = {"": np.ones(len(weights), bool)}
        if items is not None:
            in_bins = in_count(items.counts, self._bins(assignment))
            chosen |= {f"_{label}": events for label, events in in_bins.items()}
        complete, any_complete = np.all(matched.is_complete, 1), np.any(matched.is_complete, 1)
        right = np.all(~matched.is_complete | matched.is_right, axis=1)
        for suffix, events in chosen.items():
            if (used := events & complete).any():
                found[f"event_efficiency{suffix}"] = efficiency(right[used], weights[used])
                complete_only = particle_efficiency(matched, used, weights)
                found[f"particle_efficiency{suffix}/complete"] = complete_only
            if (used := events & any_complete).any():
                partial_events = efficiency(right[used], weights[used])
                found[f"event_efficiency{suffix}/partial"] = partial_events
                found[f"particle_efficiency{suffix}"] = particle_efficiency(matched, used, weights)
        prefix = f"{target.name}:" if len(run.study.targets) > 1 else ""
        return {prefix + name: one.as_dict() for name, one in found.items()}

    def _tables(self, run: EvaluatedRun, items: Items | None) -> list[Table]:
        """Return the efficiencies of the first trainings by number of items."""
        if items is None:
            return []
        (_, assignment), rows = self._target(run.study), list[list[object]]()
        every = {"all": np.ones(len(items.counts), bool)}
        bins = in_count(items.counts, self._bins(assignment)) | every
        for model in run.predictions.models:
            matched = self._matched(run, model)
            for label, events in bins.items() if matched is not None else ():
                assert matched is not None  # as the loop has rows
                rows.append([model, label, *self._row(run, matched, events)])
        caption = (
            f"Efficiency of '{self._target(run.study)[0].name}' by number of items of "
            f"'{assignment.group}'. Complete events have all products of all particles; particles "
            "are those with all of their products, in all events, and their errors are those of "
            "whole events."
        )
        head = ["Model", "Items", "Complete events", "Event efficiency", "Particle efficiency"]
        return [Table(caption, head, rows)]

    def _row(self, run: EvaluatedRun, matched: Matched, events: Flags) -> list[str]:
        weights, complete = run.predictions.weights, matched.is_complete.all(1)
        used, particles = events & complete, events & matched.is_complete.any(1)
        right = np.all(matched.is_right, axis=1)
        return [
            f"{int(used.sum())}",
            str(efficiency(right[used], weights[used])) if used.any() else "–",
            str(particle_efficiency(matched, particles, weights)) if particles.any() else "–",
        ]

    def _efficiency_plots(
        self, run: EvaluatedRun, found: Mapping[str, Metrics], items: Items | None
    ) -> Iterator[Plot]:
        target, assignment = self._target(run.study)
        labels = list(in_count(np.zeros(0), self._bins(assignment)))
        prefix = f"{target.name}:" if len(run.study.targets) > 1 else ""
        configs = model_configs(run.study)
        for metric, name in (
            ("event_efficiency", "Efficiency of complete events"),
            ("particle_efficiency", "Efficiency of particles"),
        ):
            names = [f"{prefix}{metric}_{label}" for label in labels]
            measured = {
                model: [measurements(metrics)[one] for one in names]
                for model, metrics in found.items()
                if items is not None and all(one in metrics for one in names)
            }
            published = {
                model: [Measurement(*config.published.metrics[one]) for one in names]
                for model, config in configs.items()
                if config.published and all(one in config.published.metrics for one in names)
            }
            if measured:
                axes = (f"Number of items of '{assignment.group}'", name)
                drawn = plot_assignment_efficiency(measured, published, labels, axes)
                yield Plot(f"{name} by number of items.", drawn)

    def _mass_plots(self, run: EvaluatedRun, items: Items | None) -> Iterator[Plot]:
        target, assignment = self._target(run.study)
        if items is None or items.momenta is None:
            return
        for model in run.predictions.models:
            matched = self._matched(run, model)
            predicted = assigned_items(run.predictions, model, target, assignment)
            if matched is None or predicted is None:
                continue
            for together in assignment.particle_sets:
                masses, weights = _masses(
                    assignment, together, matched, predicted, items, run.predictions.weights
                )
                if not masses:
                    continue
                names = ", ".join(assignment.particles[k][0] for k in together)
                drawn = plot_assigned_masses(masses, weights)
                yield Plot(f"Masses of the assigned {names}.", drawn, wide=True, model=model)


def _items(run: EvaluatedRun, assignment: Assignment) -> Items | None:
    """Return the items of the test set, None if its events are gone."""
    counts, momenta = list[NDArray[np.int64]](), list[NDArray[np.floating]]()
    try:
        for events, _ in events_with_predictions(run, ROWS):
            try:
                points = Points(events, assignment.group)
                momenta.append(points.precise_momenta())
            except DataError:  # a group without momenta
                points = Points(events, assignment.group, has_momentum=False)
            counts.append(points.lengths)
    except DataError:
        return None
    if not counts or sum(map(len, counts)) != len(run.predictions):
        return None
    has_momenta = len(momenta) == len(counts)
    return Items(np.concatenate(counts), np.concatenate(momenta) if has_momenta else None)


def assigned_items(
    table: Predictions, training: str, target: Target, assignment: Assignment
) -> NDArray[Any] | None:
    """Return the predicted item of each role, (events, role), None if there is no prediction."""
    found = [
        table.column(training, target.name, Quantity(role, "index")) for role in assignment.roles
    ]
    known = [one for one in found if one is not None]
    return np.stack(known, 1).astype(np.int64) if len(known) == len(found) else None


def true_items(table: Predictions, target: Target, assignment: Assignment) -> NDArray[Any]:
    """Return the true item of each role, (events, role), −1 for a missing one."""
    return np.stack([table.truth(target.name, role) for role in assignment.roles], 1)


def _masses(
    assignment: Assignment,
    together: tuple[int, ...],
    matched: Matched,
    predicted: NDArray[Any],
    items: Items,
    weights: Floats,
) -> tuple[dict[str, dict[str, NDArray[Any]]], dict[str, NDArray[Any]]]:
    """Return label of a mass → kind → masses, and kind → weights, of particles alike."""
    assert items.momenta is not None  # checked by the caller
    is_right, is_complete = matched.of_predicted()
    starts = np.cumsum(items.counts) - items.counts
    found: dict[str, dict[str, list[Any]]] = {}
    of_kinds: dict[str, list[Any]] = {kind: [] for kind in KINDS}
    for k in together:
        name, products = assignment.particles[together[0]]
        span = list(assignment.spans.values())[k]
        items_of = predicted[:, span[0] : span[-1] + 1]
        assigned = (items_of >= 0).all(1)
        chosen = {
            KINDS[0]: assigned & is_right[:, k],
            KINDS[1]: assigned & is_complete[:, k] & ~is_right[:, k],
            KINDS[2]: assigned & ~is_complete[:, k],
        }
        for kind, rows in chosen.items():
            momenta = items.momenta[items_of[rows] + starts[rows, None]]
            of_kinds[kind].append(weights[rows])
            for one in mass_sets(assignment.product_sets[k]):
                total = momenta[:, list(one)].sum(1)
                mass2 = total[:, 0] ** 2 - (total[:, 1:] ** 2).sum(1)
                label = f"m({' '.join(products[i] for i in one)}) of {name}"
                found.setdefault(label, {each: [] for each in KINDS})
                found[label][kind].append(np.sqrt(np.maximum(mass2, 0)))
    masses = {
        label: {kind: np.concatenate(values) for kind, values in kinds.items()}
        for label, kinds in found.items()
    }
    return masses, {kind: np.concatenate(values) for kind, values in of_kinds.items()}
