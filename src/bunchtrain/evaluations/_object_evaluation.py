"""Base of evaluations of objects made of points, such as tracks, showers and jets."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.plots import axis_label, bin_edges, plot_efficiency
from bunchtrain.report.content import Plot
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import BinnedEfficiency, Measurement
from bunchtrain.study import Study
from bunchtrain.tables.expressions.expression import Expression, as_mask
from bunchtrain.tables.predictions import Predictions, Values
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
    against     their columns against which the efficiency is drawn.
    bins        number of bins of these.
    """

    def __init__(
        self,
        objects: str | None,
        ids: str | None,
        least: int,
        particles: str | None,
        select: str | None,
        against: Sequence[str],
        bins: int,
    ) -> None:
        self.objects, self.ids, self.least, self.particles = objects, ids, least, particles
        self.against, self.bins = against, bins
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
        for column in [*self.against, *sorted(self.select.columns if self.select else ())]:
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
        counts = ak.to_numpy(ak.num(truth))
        event = np.repeat(np.arange(len(truth)), counts)
        both = np.column_stack([event, ak.to_numpy(ak.flatten(truth))])
        pairs, points = np.unique(both[both[:, 1] >= 0], axis=0, return_counts=True)
        pairs = pairs[points >= self.least]
        if self.select is not None:
            passed = self.select(
                ak.zip({n: columns[n] for n in self.select.columns}, depth_limit=1)
            )
            flat = as_mask(ak.flatten(passed), self.select.text)
            pairs = pairs[flat[place_of(passed, pairs, self.particles)]]
        if not len(pairs):
            raise DataError(f"evaluation '{self.name}': no particle counts; change 'select'")
        return pairs[:, 0], pairs[:, 1]

    def efficiency_plots(
        self, run: EvaluatedRun, found: Mapping[str, Values], name: str
    ) -> Iterator[Plot]:
        """Yield the efficiency against each column of `against`.

        found  model or baseline → whether each true object that counts is found, (particles,).
        name   of the efficiency.
        """
        table = run.predictions
        event, identifier = self.counted(table.columns, table.columns[self.identifier(run.study)])
        for column in self.against:
            values = column_of_particles(table, column, event, identifier, self.particles)
            edges = bins_of(values, self.bins)
            curves = {
                one: efficiency_profile(event, passed, values, edges, table.weights)
                for one, passed in found.items()
            }
            label = axis_label(column, table.known_units.get(column))
            yield Plot(f"{name} against {column}.", plot_efficiency(curves, label, name=name))


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


def column_of_particles(
    table: Predictions, column: str, event: Values, identifier: Values, prefix: str | None
) -> Values:
    """Return a column of the true objects (event, identifier), (particles,)."""
    lists = table.columns[column]
    flat = ak.to_numpy(ak.flatten(lists)).astype(np.float64)
    return np.asarray(flat[place_of(lists, np.column_stack([event, identifier]), prefix)])
