"""Metrics of tracks, their tables, and the efficiency of categories and against density."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
from numpy.typing import NDArray
from scipy.spatial import cKDTree

from bunchtrain.errors import StudyError
from bunchtrain.evaluations._evaluation import EvaluatedRun
from bunchtrain.evaluations._object_evaluation import (
    ObjectEvaluation,
    bins_of,
    efficiency_profile,
    of_particles,
)
from bunchtrain.physics.track_matching import Floats, MatchedTracks, TrueParticles
from bunchtrain.physics.trackml_score import trackml_scores
from bunchtrain.plots import plot_efficiency
from bunchtrain.report.content import Plot, Table
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.study import Study
from bunchtrain.tables.expressions.expression import Expression
from bunchtrain.tables.predictions import Values

METRICS = ("track_efficiency", "fake_rate", "clone_rate", "hit_purity", "hit_efficiency")
SCORE = "trackml_score"
Mask = NDArray[np.bool_]


def track_metrics(
    tracks: MatchedTracks, matching: str, counted: Mask, weights: Values, hits: Floats | None
) -> dict[str, Measurement]:
    """Return the metrics of tracks, ratios of sums over events.

    matching  `lhcb` or `double_majority`.
    counted   (particles,) whether each counts.
    weights   (events,).
    hits      (hits,) weight of each for the score, which is left out without them.
    """
    every, event = tracks.particles, tracks.tracks.event
    events = len(every.counts)

    def sums(of: Values, values: Values | None = None) -> Values:
        return np.bincount(of, values, minlength=events)

    matched = tracks.matched(matching)
    found = tracks.found(matched)
    of_matched = sums(event, matched)
    ratios = (
        (sums(every.event[counted], found[counted]), sums(every.event[counted])),
        (sums(event, ~matched), sums(event)),
        (of_matched - sums(every.event[found]), of_matched),
        (sums(event[matched], tracks.purity[matched]), of_matched),
        (sums(event[matched], tracks.completeness[matched]), of_matched),
    )
    measured = {n: ratio_of_sums(*pair, weights) for n, pair in zip(METRICS, ratios, strict=True)}
    if hits is not None:
        has_weight = sums(np.repeat(np.arange(events), every.counts), hits) > 0
        scores = trackml_scores(tracks, hits)
        measured[SCORE] = ratio_of_sums(scores, has_weight.astype(np.float64), weights)
    return measured


def track_table(
    matching: str,
    least: int,
    every: TrueParticles,
    counted: Mask,
    measured: Mapping[str, Mapping[str, Measurement]],
) -> Table:
    """Return the table of all methods.

    measured  method → its metrics.
    """
    names = [*METRICS, *([SCORE] if any(SCORE in m for m in measured.values()) else [])]
    few = int((every.size < least).sum())
    return Table(
        f"Tracks of {len(every.counts):,} events, matched by '{matching}'; hit purity and "
        f"efficiency are of matched tracks. {int(counted.sum()):,} particles count; {few:,} have "
        f"fewer than {least} hits, {int((~counted).sum()) - few:,} are not selected. Uncertainties "
        "are from the spread between events.",
        ["", *(name.replace("_", " ") for name in names)],
        [[method, *(str(found[name]) for name in names)] for method, found in measured.items()],
    )


class Categories:
    """Efficiency of particles that fulfil conditions, in place of `select`.

    given  name → condition.
    """

    def __init__(self, evaluation: ObjectEvaluation, given: Mapping[str, str]) -> None:
        self.evaluation = evaluation
        self.conditions = {name: Expression(text) for name, text in given.items()}

    def __bool__(self) -> bool:
        return bool(self.conditions)

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown column."""
        for name, condition in self.conditions.items():
            for column in sorted(condition.columns):
                self.evaluation.need_column_of_particles(study, column, f"categories: {name}")

    def of(self, run: EvaluatedRun, every: TrueParticles) -> dict[str, Mask]:
        """Return name → whether each particle is in the category, (particles,)."""
        columns = run.predictions.columns
        return {
            name: self.evaluation.passing(columns, condition, every)
            for name, condition in self.conditions.items()
        }

    @staticmethod
    def efficiencies(
        tracks: MatchedTracks, matching: str, inside: Mapping[str, Mask], weights: Values
    ) -> dict[str, Measurement]:
        """Return `track_efficiency_<category>` of those that have particles."""
        every, found = tracks.particles, tracks.found(tracks.matched(matching))
        events, measured = len(every.counts), {}
        for name, own in inside.items():
            passed = np.bincount(every.event[own], found[own], minlength=events)
            total = np.bincount(every.event[own], minlength=events)
            if own.any():
                measured[efficiency_name(name)] = ratio_of_sums(passed, total, weights)
        return measured


def efficiency_name(category: str) -> str:
    """Return the name of the metric of a category."""
    return f"{METRICS[0]}_{category.replace(' ', '_')}"


def category_table(
    inside: Mapping[str, Mask], measured: Mapping[str, Mapping[str, Measurement]]
) -> Table:
    """Return the table of the efficiency of each category for each method."""
    rows: list[list[object]] = []
    for name, own in inside.items():
        cells = [str(found.get(efficiency_name(name), "–")) for found in measured.values()]
        rows.append([name, int(own.sum()), *cells])
    return Table(
        "Track efficiency of categories of particles, whether selected or not.",
        ["", "particles", *measured],
        rows,
    )


class Density:
    """Efficiency against the number of other particles within a radius in (η, φ).

    radius  ΔR.
    """

    def __init__(self, evaluation: ObjectEvaluation, radius: float) -> None:
        self.evaluation, self.radius = evaluation, radius
        self.columns = [f"{evaluation.particles}_{name}" for name in ("eta", "phi")]

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown column."""
        if self.evaluation.particles is None:
            raise StudyError(
                f"evaluation '{self.evaluation.name}': density needs the prefix of the columns of "
                "particles, the option 'particles'"
            )
        for column in self.columns:
            self.evaluation.need_column_of_particles(study, column, "density")

    def plot(
        self, run: EvaluatedRun, every: TrueParticles, counted: Mask, found: Mapping[str, Values]
    ) -> Plot:
        """Return the profile.

        counted  (particles,) whether each counts.
        found    method → whether each that counts is found.
        """
        prefix = self.evaluation.particles
        eta, phi = (
            of_particles(run.predictions.columns[name], every.event, every.identifier, prefix)
            for name in self.columns
        )
        other = every.size >= self.evaluation.least
        near = np.zeros(len(eta))
        near[other] = neighbours(every.event[other], eta[other], phi[other], self.radius)
        values, event = near[counted], every.event[counted]
        edges = bins_of(values, self.evaluation.bins)
        weights = run.predictions.weights
        curves = {
            name: efficiency_profile(event, passed, values, edges, weights)
            for name, passed in found.items()
        }
        label = f"Other particles within $\\Delta R$ = {self.radius:g}"
        plot = plot_efficiency(curves, label, name="Track efficiency")
        return Plot("Track efficiency against the density of particles.", plot)


def neighbours(event: Values, eta: Floats, phi: Floats, radius: float) -> Floats:
    """Return the number of other particles of the same event within ΔR, (particles,).

    ΔR² = Δη² + 4 sin²(Δφ/2), which gives ΔR within 0.2 % up to ΔR = 0.2.
    """
    if not len(event):
        return np.zeros(0)
    apart = 2 * radius + 4  # more than the largest distance across (cos φ, sin φ), of 2
    places = np.column_stack([eta, np.cos(phi), np.sin(phi), apart * event])
    counts = cKDTree(places).query_ball_point(places, radius, return_length=True)
    return np.asarray(counts, np.float64) - 1
