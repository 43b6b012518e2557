"""Vertex finding: efficiency, false and split vertices, resolution and association of tracks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Annotated, Any

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain.errors import DataError, StudyError
from bunchtrain.evaluations._evaluation import EvaluatedRun, average_trainings
from bunchtrain.evaluations._object_evaluation import (
    ObjectEvaluation,
    bins_of,
    efficiency_profile,
    search,
)
from bunchtrain.parts.ranges import NUMBER, Bins, PointCount, Positive
from bunchtrain.physics.packed import flat_values, starts
from bunchtrain.physics.vertex_fit import fit_vertices
from bunchtrain.plots import plot_efficiency
from bunchtrain.plots.vertices import plot_pairs, plot_vertices
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement, Metrics, half_width
from bunchtrain.statistics.vertex_matching import (
    VertexMatch,
    distances,
    match_vertices,
    separation,
)
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.predictions import Values
from bunchtrain.transforms._track_vertices import flat_covariance

METRICS = (
    "vertex_efficiency", "resolved_efficiency", "false_vertices", "split_vertices",
    "vertex_resolution", "vertex_pull_width", "association_efficiency", "association_purity",
    "vertex_separation",
)  # fmt: skip
HEADS = (
    "efficiency", "resolved", "false an event", "split an event", "resolution [mm]", "pull width",
    "tracks associated", "purity", "two vertices [mm]",
)  # fmt: skip
PARAMETERS = ("d0", "z0", "phi", "theta", "qop")
Tesla = Annotated[float, Field(ge=0.1, le=10), NUMBER]


@dataclass(frozen=True)
class Found:
    """Vertices of a finder in a set of events.

    event, z  (vertices,).
    sigma     (vertices,) of z; None if unknown.
    of_track  (tracks,) vertex of each track, −1 for none; None if unknown.
    match     with the collisions.
    """

    event: Values
    z: Values
    sigma: Values | None
    of_track: Values | None
    match: VertexMatch


@dataclass(frozen=True)
class Truth:
    """True collisions of a set of events, (collisions,) each, and (tracks,) of the tracks.

    counts     whether a collision has enough tracks.
    number     of collisions in the event of each.
    of_track   index, among those that count, of the collision of each track; −1 for none.
    """

    event: Values
    z: Values
    counts: Values
    tracks: Values
    number: Values
    of_track: Values


class VertexFinding(ObjectEvaluation):
    """Vertices along the beam of a transform that assigns tracks to them, beside classical finders.

    The place of a vertex is that of an adaptive fit of its tracks. `vertex_efficiency` is the
    fraction of collisions with at least `least` tracks of their own that have a vertex within
    `window` in z, `resolved_efficiency` of those with a vertex to which no such collision is
    nearer; `false_vertices` and `split_vertices` are the numbers an event of vertices further than
    `window` from all collisions, and of further vertices of one collision. `vertex_resolution` and
    `vertex_pull_width` are half the width of the central 68.3 % of z − z_true and of it over its
    error; `association_efficiency` the fraction of tracks of these collisions that are assigned to
    a vertex of theirs, `association_purity` the fraction of tracks assigned to a vertex that are of
    its collision, of those of any; `vertex_separation` is the half-width of the dip of the
    distances of pairs of vertices, with a bootstrap of events. Other uncertainties of ratios are
    from the spread between events.

    vertices    Transform of the study; the first if None.
    tracks      Prefix of the parameters of the tracks at the beam and of their covariance.
    truth       Column of the collision of each track, −1 for none.
    collisions  Prefix of the true collisions, with z.
    own         Their column with the number of tracks of their own.
    least       Smallest number of these that makes a collision count.
    window      In mm.
    field       Magnetic field in tesla.
    cut         Distance in standard deviations at which a track has half of its weight in the fit.
    found       Name → prefix of the vertices of another finder, with z.
    baselines   Name → transform of events, such as deterministic_annealing.
    bins        Number of bins of the efficiency.
    """

    def __init__(
        self,
        *,
        vertices: str | None = None,
        tracks: str = "track",
        truth: str = "track_collision",
        collisions: str = "collision",
        own: str = "collision_tracks",
        least: PointCount = 2,
        window: Positive = 0.5,
        field: Tesla = 2.0,
        cut: Positive = 3.0,
        found: Mapping[str, str] | None = None,
        baselines: Mapping[str, dict[str, Any]] | None = None,
        bins: Bins = 8,
    ) -> None:
        super().__init__(vertices, None, least, collisions, None, (), bins)
        self.tracks, self.truth, self.own = tracks, truth, own
        self.window, self.field, self.cut = window, field, cut
        self.found = dict(found or {})
        self.baselines = {name: self.build(one) for name, one in (baselines or {}).items()}

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown transform or column, or a name that is taken."""
        self.transform(study)
        wanted = [f"{self.tracks}_{name}" for name in (*PARAMETERS, "covariance")]
        wanted += [self.truth, f"{self.particles}_z", self.own]
        wanted += [f"{prefix}_z" for prefix in self.found.values()]
        for column in wanted:
            self.need_spectator(study, column, "column")
        for one in self.baselines.values():
            for column in one.needs():
                self.need_spectator(study, column, "baseline, which reads")
        names = [*model_configs(study), *self.found, *self.baselines]
        for name in names:
            if names.count(name) > 1:
                raise StudyError(
                    f"evaluation '{self.name}': '{name}' is the name of a model, a finder or a "
                    "baseline twice; choose another one"
                )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, a table with the other finders, and plots."""
        table, columns = run.predictions, run.predictions.columns
        truth = self._truth(columns)
        found = {
            name: self._fit(columns, objects, truth)
            for name, objects in self.predicted(run).items()
        }
        for name, transform in self.baselines.items():
            found[name] = self._fit(columns, search(transform, columns, columns[self.truth]), truth)
        for name, prefix in self.found.items():
            found[name] = self._read(columns[f"{prefix}_z"], truth)
        metrics = self.metrics(run)
        measured = {name: self._measure(one, truth, len(table)) for name, one in found.items()}
        results = Results(metrics, list(self._plots(run, found, truth)))
        for name, one in measured.items():
            if name in metrics:  # the mean over trainings
                one.update({k: Measurement.from_dict(metrics[name][k]) for k in METRICS})
        rows = [[name, *(str(one[k]) for k in METRICS)] for name, one in measured.items()]
        results.tables.append(Table(self._caption(truth, len(table)), ["", *HEADS], rows))
        results.details = {
            name: {k: one.as_dict() for k, one in own.items()} for name, own in measured.items()
        }
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of each model.

        Raises DataError if no collision counts.
        """
        name, table = self.transform(run.study), run.predictions
        truth = self._truth(table.columns)

        def measure(training: str) -> Metrics:
            objects = table.scores(training, "object").get(name)
            if objects is None:
                return {}
            found = self._fit(table.columns, objects, truth)
            measured = self._measure(found, truth, len(table))
            return {metric: one.as_dict() for metric, one in measured.items()}

        return average_trainings(table, measure)

    def _caption(self, truth: Truth, events: int) -> str:
        return (
            f"Vertices of {events:,} events with {len(truth.z):,} collisions, of which "
            f"{int(truth.counts.sum()):,} have at least {self.least} tracks of their own. Found: a "
            f"vertex within {self.window:g} mm; false: no collision within {self.window:g} mm."
        )

    def _truth(self, columns: Mapping[str, Any]) -> Truth:
        """Return the true collisions.

        Raises DataError if none counts, or a track is of a collision that is not there.
        """
        z, own = columns[f"{self.particles}_z"], columns[self.own]
        number = ak.to_numpy(ak.num(z))
        event = np.repeat(np.arange(len(z)), number)
        tracks = flat_values(own)
        counts = tracks >= self.least
        if not counts.any():
            raise DataError(
                f"evaluation '{self.name}': no collision of the test set has {self.least} tracks "
                "of its own"
            )
        label = columns[self.truth]
        flat = flat_values(label).astype(np.int64)
        of = np.repeat(np.arange(len(z)), ak.to_numpy(ak.num(label)))
        if (wrong := np.flatnonzero(flat >= number[of])).size:
            at = of[wrong[0]]
            raise DataError(
                f"evaluation '{self.name}': a track of event {at} of the test set is of the "
                f"collision {flat[wrong[0]]} in '{self.truth}', and the event has {number[at]} "
                "collisions, which count from 0"
            )
        owner = starts(number)[of] + flat
        index = np.where(counts, np.cumsum(counts) - 1, -1)
        of_track = np.where(flat >= 0, index[np.where(flat >= 0, owner, 0)], -1)
        return Truth(event, flat_values(z), counts, tracks, number[event], of_track)

    def _match(self, event: Values, z: Values, truth: Truth) -> VertexMatch:
        return match_vertices(event, z, truth.event, truth.z, truth.counts, self.window)

    def _read(self, lists: ak.Array, truth: Truth) -> Found:
        """Return the vertices of another finder, those without a place left out."""
        event = np.repeat(np.arange(len(lists)), ak.to_numpy(ak.num(lists)))
        z = flat_values(lists)
        known = np.isfinite(z)
        event, z = event[known], z[known]
        return Found(event, z, None, None, self._match(event, z, truth))

    def _fit(self, columns: Mapping[str, Any], objects: ak.Array, truth: Truth) -> Found:
        """Return the vertices that tracks are assigned to, fitted to these."""
        event, z, sigma, of_track = self.fit(columns, objects)
        return Found(event, z, sigma, of_track, self._match(event, z, truth))

    def fit(
        self, columns: Mapping[str, Any], objects: ak.Array
    ) -> tuple[Values, Values, Values, Values]:
        """Return event, z and its error of the vertices, and the vertex of each track.

        columns  with the parameters of the tracks and their covariance.
        objects  index of the vertex of each track, −1 for none, a list for each event.
        """
        label = flat_values(objects).astype(np.int64)
        track_event = np.repeat(np.arange(len(objects)), ak.to_numpy(ak.num(objects)))
        chosen = label >= 0
        pairs = np.column_stack([track_event, label])[chosen]
        rows, vertex = np.unique(pairs, axis=0, return_inverse=True)
        vertex = vertex.ravel()
        values = [flat_values(columns[f"{self.tracks}_{name}"])[chosen] for name in PARAMETERS]
        covariance = flat_covariance(columns[f"{self.tracks}_covariance"], len(label))[chosen]
        precision = 1 / covariance[:, 1, 1]
        start = np.zeros((len(rows), 3))
        total = np.bincount(vertex, precision, len(rows))
        start[:, 2] = np.bincount(vertex, precision * values[1], len(rows)) / total
        made = fit_vertices(
            np.stack(values, 1), covariance, vertex, start, self.field, cut=self.cut
        )
        z = np.where(np.isfinite(made.position[:, 2]), made.position[:, 2], start[:, 2])
        of_track = np.full(len(label), -1)
        of_track[chosen] = vertex
        sigma = np.sqrt(made.covariance[:, 2, 2])
        return rows[:, 0], z, sigma, of_track

    def _measure(self, found: Found, truth: Truth, events: int) -> dict[str, Measurement]:
        """Return all metrics of a finder; NaN for what is not known of it."""
        match, unknown = found.match, Measurement(np.nan)
        wanted = truth.event[truth.counts]

        def sums(event: Values, values: Values | None = None) -> Values:
            return np.bincount(event, values, minlength=events)

        one, total = np.ones(events), sums(wanted)
        resolved = match.vertex >= 0
        measured = [
            ratio_of_sums(sums(wanted, match.found), total),
            ratio_of_sums(sums(wanted, resolved), total),
            ratio_of_sums(sums(found.event, match.false), one),
            ratio_of_sums(sums(found.event, match.split), one),
        ]
        enough = resolved.sum() > 1
        residual = match.residual[resolved]
        measured.append(half_width(residual) if enough else unknown)
        if found.sigma is None or found.of_track is None:
            measured += [unknown] * 3
        else:
            pull = residual / found.sigma[match.vertex[resolved]]
            pull = pull[np.isfinite(pull)]
            measured.append(half_width(pull) if len(pull) > 1 else unknown)
            measured += self._association(found.of_track, truth, match, found.event, events)
        edges, pairs = distances(found.event, found.z, events)
        measured.append(separation(pairs, edges))
        return dict(zip(METRICS, measured, strict=True))

    def _association(
        self, of_track: Values, truth: Truth, match: VertexMatch, event: Values, events: int
    ) -> list[Measurement]:
        """Return the fractions of tracks at their collision, and of tracks of vertices of it."""
        has, assigned = truth.of_track >= 0, of_track >= 0
        collision = np.append(match.of, -1)[of_track]  # the collision of the vertex of each track
        right = has & assigned & (collision == truth.of_track)
        wanted = truth.event[truth.counts]
        own = np.append(wanted, 0)[truth.of_track[has]]
        at_vertex = np.append(event, 0)[of_track[assigned]]

        def ratio(of: Values, passed: Values) -> Measurement:
            return ratio_of_sums(
                np.bincount(of, passed, minlength=events), np.bincount(of, minlength=events)
            )

        return [ratio(own, right[has]), ratio(at_vertex, right[assigned])]

    def _plots(self, run: EvaluatedRun, found: Mapping[str, Found], truth: Truth) -> Iterator[Plot]:
        """Yield efficiencies, distances of pairs and one event."""
        columns, events = run.predictions.columns, len(run.predictions)
        wanted = truth.event[truth.counts]
        for values, label in (
            (truth.tracks, "Tracks of the collision"),
            (truth.number, "Collisions of the event"),
        ):
            own = values[truth.counts].astype(np.float64)
            edges = bins_of(own, self.bins)
            curves = {
                name: efficiency_profile(wanted, one.match.vertex >= 0, own, edges, np.ones(events))
                for name, one in found.items()
            }
            drawn = plot_efficiency(curves, label, name="Resolved efficiency")
            yield Plot(f"Collisions with a vertex of their own, against: {label.lower()}.", drawn)
        binned = {name: distances(one.event, one.z, events) for name, one in found.items()}
        pairs = {name: one.sum(0) for name, (_, one) in binned.items() if one.sum() > 0}
        if pairs:
            edges = next(iter(binned.values()))[0]
            caption = "Distances of pairs of vertices of an event, with the fitted dip."
            yield Plot(caption, plot_pairs(pairs, edges))
        first = int(np.argsort(truth.number, kind="stable")[len(truth.number) // 2])
        event = int(truth.event[first])
        own = truth.event == event
        z = {name: one.z[one.event == event] for name, one in found.items()}
        tracks = np.asarray(columns[f"{self.tracks}_z0"][event], np.float64)
        drawn = plot_vertices(truth.z[own], truth.counts[own], z, tracks)
        yield Plot(
            f"Event {event} of the test set: collisions (lines, dotted: too few tracks), "
            "vertices (dots) and tracks at the beam (filled).",
            drawn,
            wide=True,
        )
