"""Base of evaluations of objects made of points, such as tracks, showers and jets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.physics.track_matching import TrueParticles
from bunchtrain.plots import axis_label, bin_edges, plot_efficiency
from bunchtrain.report.content import Plot
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import BinnedEfficiency, Measurement
from bunchtrain.study import Study
from bunchtrain.tables.expressions.expression import Expression, as_mask
from bunchtrain.tables.predictions import Values
from bunchtrain.transforms._clustering import Clustering

#: Events that a baseline reads at once.
BLOCK = 200


class ObjectEvaluation(Evaluation):
    """Compares the objects that a transform makes of points with the true ones.

    objects     transform of the study; the first if None.
    ids         target with `ids`, the true object of each point; the first if None.
    least       smallest number of points of a true object that counts.
    particles   prefix of the lists of true objects, spectators in which the identifiers are
                indices.
    select      condition on these that a true object that counts must fulfil.
    against     expressions of their columns against which the efficiency is drawn; with edges of
                bins as a mapping.
    bins        number of bins of those without edges.
    """

    def __init__(
        self,
        objects: str | None,
        ids: str | None,
        least: int,
        particles: str | None,
        select: str | None,
        against: Sequence[str] | Mapping[str, Sequence[float]],
        bins: int,
    ) -> None:
        self.objects, self.ids, self.least, self.particles = objects, ids, least, particles
        self.against = {text: Expression(text) for text in against}
        self.edges = dict(against) if isinstance(against, Mapping) else {}
        self.bins = bins
        self.select = None if select is None else Expression(select)

    def check_columns(self, study: Study, classical: Sequence[Clustering]) -> None:
        """Raise StudyError for an unknown transform, identifier, column or baseline."""
        self.transform(study), self.identifier(study)
        for one in classical:
            try:
                one.columns(study.spectators)
            except DataError as problem:
                raise StudyError(
                    f"evaluation '{self.name}': what the baseline reads must be in 'spectators': "
                    f"{problem}"
                ) from None
        for expression in [*self.against.values(), *([self.select] if self.select else [])]:
            for column in sorted(expression.columns):
                self.need_column_of_particles(study, column, "against or select")

    def need_column_of_particles(self, study: Study, column: str, option: str) -> None:
        """Raise StudyError if a column is no spectator of the true objects."""
        self.need_spectator(study, column, option)
        if self.particles is None or not column.startswith(f"{self.particles}_"):
            raise StudyError(
                f"evaluation '{self.name}': '{column}' is no column of particles; give the "
                "prefix of their columns as 'particles'"
            )

    def transform(self, study: Study) -> str:
        """Return the name of the transform that makes the objects."""
        return self._named("transform", self.objects, study.transforms)

    def identifier(self, study: Study) -> str:
        """Return the column of the true object of each point."""
        known = {one.name: one for one in study.all_targets() if one.ids}
        return self._named("target with 'ids'", self.ids, known)

    def _named(self, what: str, given: str | None, known: Mapping[str, Any]) -> str:
        if given is None and known:
            return next(iter(known))
        if given not in known:
            named = f"a {what}" if given is None else f"{what} '{given}'"
            raise StudyError(f"evaluation '{self.name}' needs {named}{nearest(given or '', known)}")
        return str(given)

    def build(self, baseline: Mapping[str, Any]) -> Clustering:
        """Return a baseline, a transform of events.

        Raises StudyError for one that reads predictions.
        """
        options = {key: value for key, value in baseline.items() if key != "name"}
        name = str(baseline.get("name"))
        made: Clustering = parts.build("transform", name, options, where=f"{self.name}.baseline")
        if made.reads is not None:
            raise StudyError(
                f"evaluation '{self.name}': baseline '{name}' reads predictions; list it in "
                "'transforms', and choose a transform of events"
            )
        return made

    def predicted(self, run: EvaluatedRun) -> dict[str, ak.Array]:
        """Return model → the object of each point, in lists."""
        name, table = self.transform(run.study), run.predictions
        return {
            model: objects[name]
            for model in table.models
            if name in (objects := table.scores(model, "object"))
        }

    def counted(self, columns: Mapping[str, Any], truth: ak.Array) -> tuple[Values, Values]:
        """Return event and identifier of the true objects that count, (particles,) each.

        Raises DataError if there is none.
        """
        every = TrueParticles.of(truth)
        counts = self.counting(columns, every)
        return every.event[counts], every.identifier[counts]

    def counting(self, columns: Mapping[str, Any], every: TrueParticles) -> NDArray[np.bool_]:
        """Return whether each true object counts, (particles,).

        Raises DataError if none does.
        """
        counts = self.passing(columns, self.select, every)
        if not counts.any():
            raise DataError(f"evaluation '{self.name}': no particle counts; change 'select'")
        return counts

    def passing(
        self, columns: Mapping[str, Any], condition: Expression | None, every: TrueParticles
    ) -> NDArray[np.bool_]:
        """Return whether each true object has enough points and fulfils a condition."""
        passes = every.size >= self.least
        if condition is not None:
            value = value_of(columns, condition)
            flat = as_mask(ak.flatten(value), condition.text)
            pairs = np.column_stack([every.event, every.identifier])[passes]
            passes[passes] = flat[place_of(value, pairs, self.particles)]
        return passes

    def efficiency_plots(
        self, run: EvaluatedRun, found: Mapping[str, Values], name: str
    ) -> Iterator[Plot]:
        """Yield the efficiency against each column of `against`.

        found  model or baseline → whether each true object that counts is found, (particles,).
        name   of the efficiency.
        """
        table = run.predictions
        event, identifier = self.counted(table.columns, table.columns[self.identifier(run.study)])
        for text, expression in self.against.items():
            lists = value_of(table.columns, expression)
            values = of_particles(lists, event, identifier, self.particles)
            edges = np.asarray(self.edges.get(text, bins_of(values, self.bins)), np.float64)
            curves = {
                one: efficiency_profile(event, passed, values, edges, table.weights)
                for one, passed in found.items()
            }
            label = axis_label(text, table.known_units.get(text))
            yield Plot(f"{name} against {text}.", plot_efficiency(curves, label, name=name))


def search(transform: Clustering, columns: Mapping[str, Any], truth: ak.Array) -> ak.Array:
    """Return the object of each point by a transform of events, in lists.

    columns  of the events, by name.
    truth    a list for each event with an item for each point.
    """
    names, counts = transform.columns(list(columns)), ak.to_numpy(ak.num(truth))
    blocks = []
    for start in range(0, len(counts), BLOCK):
        part = slice(start, start + BLOCK)
        events = ak.zip({name: columns[name][part] for name in names}, depth_limit=1)
        blocks.append(transform(events, counts[part]))
    return ak.concatenate(blocks)


def bins_of(values: Values, bins: int) -> Values:
    """Return edges of bins with about equal numbers of values, without the outermost 0.2 %."""
    values = values[np.isfinite(values)]
    edges = np.unique(np.quantile(values, np.linspace(0.002, 0.998, bins + 1)))
    if len(edges) > 2:
        return np.asarray(edges)
    return np.asarray(bin_edges(values, bins))


def place_of(lists: ak.Array, pairs: Values, prefix: str | None) -> Values:
    """Return the places of true objects (event, identifier) in the concatenated lists.

    Raises DataError, with the event, for an identifier that is no index of its list.
    """
    counts = ak.to_numpy(ak.num(lists))
    if (wrong := np.flatnonzero(pairs[:, 1] >= counts[pairs[:, 0]])).size:
        event, identifier = pairs[wrong[0]]
        raise DataError(
            f"event {event} of the test set has points of the object {identifier}, and the lists "
            f"'{prefix}_…' have {counts[event]}; identifiers count these from 0"
        )
    start = np.cumsum(counts) - counts
    return np.asarray(start[pairs[:, 0]] + pairs[:, 1])


def efficiency_profile(
    event: Values, found: Values, values: Values, edges: Values, weights: Values
) -> BinnedEfficiency:
    """Return the fraction of true objects that are found, in bins of their values.

    event    (particles,) event of each.
    found    (particles,) whether it is found.
    values   (particles,).
    edges    (bins + 1,).
    weights  (events,).
    """
    place, events = np.digitize(values, edges) - 1, len(weights)
    measured: list[Measurement] = []
    for k in range(len(edges) - 1):
        own = place == k
        passed = np.bincount(event[own], found[own], minlength=events)
        total = np.bincount(event[own], minlength=events)
        measured.append(ratio_of_sums(passed, total, weights))
    value, error = (np.array([getattr(one, key) for one in measured]) for key in ("value", "error"))
    low, high = np.maximum(value - error, 0), np.minimum(value + error, 1)
    return BinnedEfficiency(np.asarray(edges, np.float64), value, low, high)


def value_of(columns: Mapping[str, Any], expression: Expression) -> ak.Array:
    """Return the value of an expression of columns of true objects, lists of the events."""
    return expression(ak.zip({name: columns[name] for name in expression.columns}, depth_limit=1))


def of_particles(lists: ak.Array, event: Values, identifier: Values, prefix: str | None) -> Values:
    """Return values of the true objects (event, identifier) from lists, (particles,)."""
    flat = ak.to_numpy(ak.flatten(lists)).astype(np.float64)
    return np.asarray(flat[place_of(lists, np.column_stack([event, identifier]), prefix)])
