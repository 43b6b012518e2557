"""Tracking: efficiency, fake and clone rate of tracks made of hits, beside a classical search."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Literal

import awkward as ak
import numpy as np

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation, average_trainings
from bunchtrain.parts.ranges import Bins, PointCount
from bunchtrain.plots import axis_label, bin_edges, plot_efficiency
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import BinnedEfficiency, Measurement, Metrics
from bunchtrain.study import Study
from bunchtrain.tables.expressions.expression import Expression, as_mask
from bunchtrain.tables.predictions import Predictions, Values
from bunchtrain.transforms._clustering import Clustering
from bunchtrain.transforms._objects import object_rows

#: Matching → smallest purity and completeness of a matched track, both excluded for TrackML.
MATCHING = {"lhcb": (0.7, 0.0), "double_majority": (0.5, 0.5)}
METRICS = ("track_efficiency", "fake_rate", "clone_rate", "hit_purity", "hit_efficiency")


@dataclass(frozen=True)
class Tracks:
    """Tracks of the test set and the particles that they are compared with.

    rows       table of the tracks, see `object_rows`, with the index of the event as `entry`.
    matched    (tracks,) whether a track belongs to its particle.
    event      (particles,) event of each particle that counts.
    found      (particles,) whether a track belongs to it.
    """

    rows: Mapping[str, Any]
    matched: Values
    event: Values
    found: Values


class TrackingEfficiency(Evaluation):
    """Track efficiency, fake rate and clone rate of a transform that makes tracks of hits.

    A track is matched to the particle of most of its hits if at least 70 % of them are of it
    (`lhcb`), or if more than half of its hits are of the particle and more than half of the hits
    of the particle are in it (`double_majority`, TrackML, arXiv:1904.06778). Efficiency is the
    fraction of particles with a matched track, fake rate that of tracks without a match, clone rate
    that of matched tracks beyond the first of a particle. Uncertainties include correlations within
    an event.

    tracks      Transform of the study; the first if None.
    ids         Target with `ids`, the particle of each hit; the first if None.
    matching    `lhcb` or `double_majority`.
    least       Smallest number of hits of a particle that counts.
    particles   Prefix of the lists of particles, spectators in which the identifiers are indices.
    select      Condition on these that a particle that counts must fulfil.
    against     Their columns against which the efficiency is drawn.
    bins        Number of bins of these.
    baseline    A transform of events, such as triplet_search, applied to the same events.
    """

    def __init__(
        self,
        *,
        tracks: str | None = None,
        ids: str | None = None,
        matching: Literal["lhcb", "double_majority"] = "lhcb",
        least: PointCount = 3,
        particles: str | None = None,
        select: str | None = None,
        against: tuple[str, ...] = (),
        bins: Bins = 8,
        baseline: dict[str, Any] | str | None = None,
    ) -> None:
        self.tracks, self.ids, self.matching, self.least = tracks, ids, matching, least
        self.particles, self.against, self.bins = particles, against, bins
        self.select = None if select is None else Expression(select)
        self.baseline = {"name": baseline} if isinstance(baseline, str) else baseline

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown transform, identifier, column or baseline."""
        self._transform(study), self._identifier(study)
        if classical := self._classical():
            try:
                classical[1].columns(study.spectators)
            except DataError as problem:
                raise StudyError(
                    f"evaluation '{self.name}': what the baseline reads must be in 'spectators': "
                    f"{problem}"
                ) from None
        for column in [*self.against, *sorted(self.select.columns if self.select else ())]:
            self.need_spectator(study, column, "against or select")
            if self.particles is None or not column.startswith(f"{self.particles}_"):
                raise StudyError(
                    f"evaluation '{self.name}': '{column}' is no column of particles; give the "
                    "prefix of their columns as 'particles'"
                )

    def _transform(self, study: Study) -> str:
        return self._named("transform", self.tracks, study.transforms)

    def _identifier(self, study: Study) -> str:
        known = {one.name: one for one in study.all_targets() if one.ids}
        return self._named("target with 'ids'", self.ids, known)

    def _named(self, what: str, given: str | None, known: Mapping[str, Any]) -> str:
        if given is None and known:
            return next(iter(known))
        if given not in known:
            named = f"a {what}" if given is None else f"{what} '{given}'"
            raise StudyError(f"evaluation '{self.name}' needs {named}{nearest(given or '', known)}")
        return str(given)

    def _classical(self) -> tuple[str, Clustering] | None:
        if self.baseline is None:
            return None
        options = {key: value for key, value in self.baseline.items() if key != "name"}
        name = str(self.baseline.get("name"))
        made: Clustering = parts.build("transform", name, options, where=f"{self.name}.baseline")
        if made.reads is not None:
            raise StudyError(
                f"evaluation '{self.name}': baseline '{name}' reads predictions; list it in "
                "'transforms', and choose a transform of events"
            )
        return parts.short_name(name), made

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, a table with the baseline, and profiles of the efficiency."""
        found = {model: self._match(run, objects) for model, objects in self._objects(run).items()}
        results = Results(self.metrics(run), list(self._plots(run, found)))
        results.tables.append(self._table(run, found, results.metrics))
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of each model.

        Raises DataError if no particle counts.
        """
        name, table = self._transform(run.study), run.predictions

        def measure(training: str) -> Metrics:
            objects = table.scores(training, "object").get(name)
            if objects is None:
                return {}
            found = self._measure(run, self._match(run, objects))
            return {metric: one.as_dict() for metric, one in found.items()}

        return average_trainings(table, measure)

    def _objects(self, run: EvaluatedRun) -> dict[str, ak.Array]:
        """Return model, and the baseline → the track of each hit, in lists."""
        name, table = self._transform(run.study), run.predictions
        found = {
            model: objects[name]
            for model in table.models
            if name in (objects := table.scores(model, "object"))
        }
        if classical := self._classical():
            found[classical[0]] = self._search(run, classical[1])
        return found

    def _search(self, run: EvaluatedRun, transform: Clustering) -> ak.Array:
        table = run.predictions
        columns = transform.columns(list(table.columns))
        counts = ak.to_numpy(ak.num(table.columns[self._identifier(run.study)]))
        blocks, step = [], 200
        for start in range(0, len(table), step):
            part = slice(start, start + step)
            events = ak.zip({c: table.columns[c][part] for c in columns}, depth_limit=1)
            blocks.append(transform(events, counts[part]))
        return ak.concatenate(blocks)

    def _match(self, run: EvaluatedRun, objects: ak.Array) -> Tracks:
        """Return the tracks with their particles, and the particles that count."""
        truth = run.predictions.columns[self._identifier(run.study)]
        rows = object_rows(np.arange(len(truth)), objects, truth)
        least = MATCHING[self.matching]
        if self.matching == "lhcb":
            matched = rows["purity"] >= least[0]
        else:
            matched = (rows["purity"] > least[0]) & (rows["completeness"] > least[1])
        matched &= rows["true_object"] >= 0
        event, identifier = self._counted(run.predictions, truth)
        keys = rows["entry"] * (1 << 32) + rows["true_object"]
        found = np.isin(event * (1 << 32) + identifier, keys[matched])
        return Tracks(rows, matched, event, found)

    def _counted(self, table: Predictions, truth: ak.Array) -> tuple[Values, Values]:
        """Return event and identifier of the particles that count, (particles,) each."""
        counts = ak.to_numpy(ak.num(truth))
        event = np.repeat(np.arange(len(truth)), counts)
        both = np.column_stack([event, ak.to_numpy(ak.flatten(truth))])
        pairs, hits = np.unique(both[both[:, 1] >= 0], axis=0, return_counts=True)
        pairs = pairs[hits >= self.least]
        if self.select is not None:
            columns = {name: table.columns[name] for name in self.select.columns}
            passed = self.select(ak.zip(columns, depth_limit=1))
            flat = as_mask(ak.flatten(passed), self.select.text)
            pairs = pairs[flat[_place(passed, pairs, self.particles)]]
        if not len(pairs):
            raise DataError(f"evaluation '{self.name}': no particle counts; change 'select'")
        return pairs[:, 0], pairs[:, 1]

    def _measure(self, run: EvaluatedRun, tracks: Tracks) -> dict[str, Measurement]:
        """Return the metrics, ratios of sums over events."""
        weights, events = run.predictions.weights, len(run.predictions)

        def sums(event: Values, values: Values | None = None) -> Values:
            return np.bincount(event, values, minlength=events)

        rows, matched, entry = tracks.rows, tracks.matched, tracks.rows["entry"]
        keys = np.column_stack([entry, rows["true_object"]])[matched]
        first = np.unique(keys, axis=0)[:, 0]  # one for each matched particle
        of_matched = sums(entry, matched)
        ratios = (
            (sums(tracks.event, tracks.found), sums(tracks.event)),
            (sums(entry, ~matched), sums(entry)),
            (of_matched - sums(first), of_matched),
            (sums(entry[matched], rows["purity"][matched]), of_matched),
            (sums(entry[matched], rows["completeness"][matched]), of_matched),
        )
        return {
            name: ratio_of_sums(*pair, weights) for name, pair in zip(METRICS, ratios, strict=True)
        }

    def _table(
        self, run: EvaluatedRun, found: Mapping[str, Tracks], metrics: Mapping[str, Metrics]
    ) -> Table:
        cells = []
        for name, tracks in found.items():
            measured = self._measure(run, tracks)
            if name in metrics:  # the mean over trainings
                measured = {k: Measurement.from_dict(metrics[name][k]) for k in METRICS}
            cells.append([name, *(str(measured[k]) for k in METRICS)])
        return Table(
            f"Tracks of {len(run.predictions):,} events, matched by '{self.matching}'; hit purity "
            "and efficiency are of matched tracks. Uncertainties are from the spread between "
            "events.",
            ["", *(name.replace("_", " ") for name in METRICS)],
            cells,
        )

    def _plots(self, run: EvaluatedRun, found: Mapping[str, Tracks]) -> Iterator[Plot]:
        truth = run.predictions.columns[self._identifier(run.study)]
        _, identifier = self._counted(run.predictions, truth)
        for column in self.against:
            values = run.predictions.columns[column]
            event = next(iter(found.values())).event
            pairs = np.column_stack([event, identifier])
            of_particle = ak.to_numpy(ak.flatten(values))[_place(values, pairs, self.particles)]
            edges = _edges(of_particle, self.bins)
            curves = {
                name: _binned(tracks, of_particle, edges, run.predictions.weights)
                for name, tracks in found.items()
            }
            drawn = plot_efficiency(
                curves,
                axis_label(column, run.predictions.known_units.get(column)),
                name="Track efficiency",
            )
            yield Plot(f"Track efficiency against {column}.", drawn)


def _edges(values: Values, bins: int) -> Values:
    """Return bins with about equal numbers of values, rounded ends included."""
    edges = np.unique(np.quantile(values, np.linspace(0.002, 0.998, bins + 1)))
    found: Values = edges if len(edges) > 2 else bin_edges(values, bins)
    return found


def _place(lists: ak.Array, pairs: Values, prefix: str | None) -> Values:
    """Return the places of particles (event, identifier) in the concatenated lists."""
    counts = ak.to_numpy(ak.num(lists))
    if np.any(pairs[:, 1] >= counts[pairs[:, 0]]):
        raise DataError(f"an identifier is no index of the lists '{prefix}_…' of its event")
    start = np.cumsum(counts) - counts
    return np.asarray(start[pairs[:, 0]] + pairs[:, 1])


def _binned(tracks: Tracks, values: Values, edges: Values, weights: Values) -> BinnedEfficiency:
    """Return the efficiency in bins of the particles' values, with errors of the events' spread."""
    place, events = np.digitize(values, edges) - 1, len(weights)
    measured: list[Measurement] = []
    for k in range(len(edges) - 1):
        own = place == k
        sums: Callable[..., Values] = np.bincount
        passed = sums(tracks.event[own], tracks.found[own], minlength=events)
        measured.append(ratio_of_sums(passed, sums(tracks.event[own], minlength=events), weights))
    value, error = (np.array([getattr(one, key) for one in measured]) for key in ("value", "error"))
    low, high = np.maximum(value - error, 0), np.minimum(value + error, 1)
    return BinnedEfficiency(np.asarray(edges, np.float64), value, low, high)
