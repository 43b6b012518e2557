"""Tracking: efficiency, fakes, clones and score of tracks made of hits, beside classical ones."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Annotated, Literal

from pydantic import Field

from bunchtrain.evaluations._evaluation import EvaluatedRun, average_trainings
from bunchtrain.evaluations._object_evaluation import ObjectEvaluation
from bunchtrain.evaluations._track_weights import TrackWeights
from bunchtrain.evaluations._tracking_rivals import Baseline, build_rivals, check_rivals
from bunchtrain.evaluations._tracking_tables import (
    Categories,
    Density,
    category_table,
    track_metrics,
    track_table,
)
from bunchtrain.parts.ranges import NUMBER, Bins, Edges, PointCount
from bunchtrain.physics.track_matching import MatchedTracks, TrackList, TrueParticles
from bunchtrain.report.content import Plot
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Measurement, Metrics
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Values
from bunchtrain.transforms._clustering import Clustering

#: ΔR within which particles are counted.
Cone = Annotated[float, Field(gt=0, le=0.5), NUMBER]


class TrackingEfficiency(ObjectEvaluation):
    """Track efficiency, fake and clone rate and TrackML score of tracks made of hits.

    A track is matched to the particle of most of its hits if at least 70 % of them are of it
    (`lhcb`), or if more than half of its hits are of the particle and more than half of the hits
    of the particle are in it (`double_majority`, TrackML, arXiv:1904.06778). Efficiency is the
    fraction of particles with a matched track, fake rate that of tracks without a match, clone rate
    that of matched tracks beyond the first of a particle. The score is the weight of the hits on
    tracks with double majority, of all hits of an event. Uncertainties include correlations within
    an event. Particles with fewer hits than `least` are counted apart.

    tracks      Transform of the study; the first if None.
    ids         Target with `ids`, the particle of each hit; the first if None.
    matching    `lhcb` or `double_majority`.
    least       Smallest number of hits of a particle that counts.
    particles   Prefix of the lists of particles, spectators in which the identifiers are indices.
    select      Condition on these that a particle that counts must fulfil.
    categories  Name → condition in place of `select`: the efficiency of each, for all tracks.
    against     Expressions of their columns against which the efficiency is drawn, as a list, or
                each with the edges of its bins.
    bins        Number of bins of those without edges.
    density     Radius: the efficiency is drawn against the number of other particles within this
                ΔR; reads the columns eta and phi of the particles.
    score       Weights of hits: `equal` for all hits of particles with four or more; a column of
                them, as `hit_weight` of the challenge; or expressions from which they are computed
                as there, {z: of hits, origin: z of particles, pt: of particles}.
    baseline    Rivals on the same events, one or a list: transforms of events, as triplet_search,
                or {hits: COLUMN} with lists of the hits of each track, which may share hits, as
                `track_hits` of acts_events; `label` names them.
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
        categories: Mapping[str, str] | None = None,
        against: tuple[str, ...] | dict[str, Edges] = (),
        bins: Bins = 8,
        density: Cone | None = None,
        score: dict[str, str] | str | None = None,
        baseline: list[Baseline] | Baseline | None = None,
    ) -> None:
        super().__init__(tracks, ids, least, particles, select, against, bins)
        self.matching = matching
        self.rivals = build_rivals(self, baseline)
        self.categories = Categories(self, categories or {})
        self.density = None if density is None else Density(self, density)
        self.score = None if score is None else TrackWeights(self, score)

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown transform, identifier, column or baseline."""
        self.check_columns(study, [r.made for r in self.rivals if isinstance(r.made, Clustering)])
        check_rivals(self, study, self.rivals)
        for part in (self.categories, self.density, self.score):
            if part is not None:
                part.check(study)

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, tables with the baselines, and profiles of the efficiency."""
        columns, metrics = run.predictions.columns, self.metrics(run)
        truth = columns[self.identifier(run.study)]
        every = TrueParticles.of(truth)
        found = {m: _match(TrackList.of_labels(o), every) for m, o in self.predicted(run).items()}
        found |= {r.label: _match(r.tracks(columns, truth, every), every) for r in self.rivals}
        passed = {
            name: tracks.found(tracks.matched(self.matching)) for name, tracks in found.items()
        }
        counted = self.counting(columns, every)
        results = Results(metrics, list(self._plots(run, every, counted, passed)))
        measured = {
            name: self._averaged(metrics.get(name), self._measure(run, tracks, counted))
            for name, tracks in found.items()
        }
        results.tables.append(track_table(self.matching, self.least, every, counted, measured))
        if self.categories:
            results.tables.append(category_table(self.categories.of(run, every), measured))
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of each model.

        Raises DataError if no particle counts.
        """
        name, table = self.transform(run.study), run.predictions
        every = TrueParticles.of(table.columns[self.identifier(run.study)])
        counted = self.counting(table.columns, every)

        def measure(training: str) -> Metrics:
            objects = table.scores(training, "object").get(name)
            if objects is None:
                return {}
            tracks = _match(TrackList.of_labels(objects), every)
            found = self._measure(run, tracks, counted)
            return {metric: one.as_dict() for metric, one in found.items()}

        return average_trainings(table, measure)

    def _measure(
        self, run: EvaluatedRun, tracks: MatchedTracks, counted: Values
    ) -> dict[str, Measurement]:
        weights = run.predictions.weights
        hits = None if self.score is None else self.score.of(run, tracks.particles)
        found = track_metrics(tracks, self.matching, counted, weights, hits)
        categories = self.categories.of(run, tracks.particles)
        return found | self.categories.efficiencies(tracks, self.matching, categories, weights)

    @staticmethod
    def _averaged(
        metrics: Metrics | None, measured: dict[str, Measurement]
    ) -> dict[str, Measurement]:
        """Return the means over the trainings of a model, or what a baseline has."""
        if metrics is None:
            return measured
        return {name: Measurement.from_dict(metrics[name]) for name in measured}

    def _plots(
        self, run: EvaluatedRun, every: TrueParticles, counted: Values, passed: Mapping[str, Values]
    ) -> Iterator[Plot]:
        of_counted = {name: found[counted] for name, found in passed.items()}
        yield from self.efficiency_plots(run, of_counted, "Track efficiency")
        if self.density is not None:
            yield self.density.plot(run, every, counted, of_counted)


def _match(tracks: TrackList, every: TrueParticles) -> MatchedTracks:
    return MatchedTracks.of(tracks, every)
