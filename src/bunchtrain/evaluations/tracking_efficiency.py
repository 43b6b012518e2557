"""Tracking: efficiency, fake and clone rate of tracks made of hits, beside a classical search."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

import awkward as ak
import numpy as np

from bunchtrain import parts
from bunchtrain.evaluations._evaluation import EvaluatedRun, average_trainings
from bunchtrain.evaluations._object_evaluation import (
    ObjectEvaluation,
    search,
)
from bunchtrain.parts.ranges import Bins, PointCount
from bunchtrain.report.content import Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement, Metrics
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Values
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


class TrackingEfficiency(ObjectEvaluation):
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
        super().__init__(tracks, ids, least, particles, select, against, bins)
        self.matching = matching
        self.baseline = {"name": baseline} if isinstance(baseline, str) else baseline

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown transform, identifier, column or baseline."""
        classical = self._classical()
        self.check_columns(study, [classical[1]] if classical else [])

    def _classical(self) -> tuple[str, Clustering] | None:
        if self.baseline is None:
            return None
        return parts.short_name(str(self.baseline.get("name"))), self.build(self.baseline)

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, a table with the baseline, and profiles of the efficiency."""
        found = {model: self._match(run, objects) for model, objects in self._objects(run).items()}
        passed = {name: tracks.found for name, tracks in found.items()}
        results = Results(
            self.metrics(run), list(self.efficiency_plots(run, passed, "Track efficiency"))
        )
        results.tables.append(self._table(run, found, results.metrics))
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of each model.

        Raises DataError if no particle counts.
        """
        name, table = self.transform(run.study), run.predictions

        def measure(training: str) -> Metrics:
            objects = table.scores(training, "object").get(name)
            if objects is None:
                return {}
            found = self._measure(run, self._match(run, objects))
            return {metric: one.as_dict() for metric, one in found.items()}

        return average_trainings(table, measure)

    def _objects(self, run: EvaluatedRun) -> dict[str, ak.Array]:
        """Return model, and the baseline → the track of each hit, in lists."""
        found = self.predicted(run)
        if classical := self._classical():
            columns = run.predictions.columns
            found[classical[0]] = search(classical[1], columns, columns[self.identifier(run.study)])
        return found

    def _match(self, run: EvaluatedRun, objects: ak.Array) -> Tracks:
        """Return the tracks with their particles, and the particles that count."""
        truth = run.predictions.columns[self.identifier(run.study)]
        rows = object_rows(np.arange(len(truth)), objects, truth)
        least = MATCHING[self.matching]
        if self.matching == "lhcb":
            matched = rows["purity"] >= least[0]
        else:
            matched = (rows["purity"] > least[0]) & (rows["completeness"] > least[1])
        matched &= rows["true_object"] >= 0
        event, identifier = self.counted(run.predictions.columns, truth)
        keys = rows["entry"] * (1 << 32) + rows["true_object"]
        found = np.isin(event * (1 << 32) + identifier, keys[matched])
        return Tracks(rows, matched, event, found)

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
