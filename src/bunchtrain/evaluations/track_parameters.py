"""Track fit: resolutions and pulls of d0, z0, φ, θ and q/pT of found tracks, by Kalman filters."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Literal

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.evaluations._evaluation import EvaluatedRun
from bunchtrain.evaluations._object_evaluation import ObjectEvaluation, of_particles, value_of
from bunchtrain.evaluations._track_residuals import (
    KINDS,
    METRIC,
    NAMES,
    Residuals,
    measure,
    residuals,
    true_parameters,
)
from bunchtrain.evaluations._tracking_rivals import Baseline, build_rivals, check_rivals
from bunchtrain.parts.ranges import Bins, PointCount
from bunchtrain.physics.kalman_filter import FittedTracks
from bunchtrain.physics.track_matching import MatchedTracks, TrackList, TrueParticles
from bunchtrain.plots import axis_label, plot_metric_profile, plot_pull
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.metrics import Measurement, Metrics, half_width
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Values
from bunchtrain.transforms._clustering import Clustering
from bunchtrain.transforms._track_fits import (
    LOWER,
    PARAMETERS,
    FitOptions,
    TrackFits,
    hit_columns,
)

ORIGIN = ("x", "y", "z", "px", "py", "pz", "charge")


class TrackParameters(ObjectEvaluation):
    """Resolutions and pulls of the parameters of tracks, as fitted by a Kalman filter.

    The tracks of each model, and of baselines, are fitted with the geometry that travels with the
    events, as `kalman_fit` does. Of matched tracks of particles that count, `NAME_resolution` is
    half the width of the central 68.3 % of fitted − true parameters at the beam, relative for q/pT,
    `NAME_pull_core` the same of the pulls, and `NAME_pull_width` their standard deviation within
    ±5. Truth is the helix of the particle from its origin. Methods that find other tracks are
    compared on other tracks; their number is in the table.

    tracks      Transform of the study; the first if None.
    ids         Target with `ids`, the particle of each hit; the first if None.
    matching    `lhcb` or `double_majority`, see `tracking_efficiency`.
    least       Smallest number of hits of a particle that counts.
    particles   Prefix of the lists of particles: x, y, z, px, py, pz and charge are read.
    select      Condition on these that a particle that counts must fulfil.
    against     Expressions of their columns against which resolutions and pulls are drawn.
    bins        Number of bins of these.
    group       Prefix of the columns of the hits: surface, loc0, loc1, variance0, variance1.
    baseline    Rivals as of `tracking_efficiency`; those of `hits: COLUMN` with `fitted: PREFIX`
                have the columns d0, z0, phi, theta, qop and covariance of another fit.
    fit         Field, particles and material.
    """

    def __init__(
        self,
        *,
        tracks: str | None = None,
        ids: str | None = None,
        matching: Literal["lhcb", "double_majority"] = "lhcb",
        least: PointCount = 3,
        particles: str = "particle",
        select: str | None = None,
        against: tuple[str, ...] = (),
        bins: Bins = 8,
        group: str = "hit",
        baseline: list[Baseline] | Baseline | None = None,
        fit: FitOptions = FitOptions(),  # noqa: B008
    ) -> None:
        super().__init__(tracks, ids, least, particles, select, against, bins)
        self.matching, self.group, self.fit = matching, group, fit
        self.rivals = build_rivals(self, baseline)

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown transform, identifier, column or baseline."""
        self.check_columns(study, [r.made for r in self.rivals if isinstance(r.made, Clustering)])
        check_rivals(self, study, self.rivals)
        for column in hit_columns(self.group):
            self.need_spectator(study, column, "the fit reads")
        for column in (f"{self.particles}_{name}" for name in ORIGIN):
            self.need_spectator(study, column, "the truth is from")
        for column in (c for rival in self.rivals for c in fitted_columns(rival.fitted)):
            self.need_spectator(study, column, "baseline: fitted")

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, a table with the baselines, pulls and profiles.

        Raises DataError if no particle counts, or no track of a method is matched and fitted.
        """
        found = dict(self._residuals(run))
        measured = {name: measure(one) for name, one in found.items()}
        models = {n: m for n, m in measured.items() if n in run.predictions.models}
        metrics: dict[str, Metrics] = {
            name: {metric: one.as_dict() for metric, one in values.items()}
            for name, values in models.items()
        }
        results = Results(metrics, list(self._plots(run, found)))
        results.tables.append(_table(found, measured))
        return results

    def _residuals(self, run: EvaluatedRun) -> Iterator[tuple[str, Residuals]]:
        """Yield each method with the residuals of its matched tracks."""
        columns = run.predictions.columns
        truth = columns[self.identifier(run.study)]
        every = TrueParticles.of(truth)
        counted = self.counting(columns, every)
        fits = TrackFits(run.conditions.get("geometry"), self.group, self.fit)
        true = true_parameters(self._origins(columns, every), self.fit.field)
        for name, objects in self.predicted(run).items():
            tracks = TrackList.of_labels(objects)
            yield name, self._matched(name, tracks, fits(columns, tracks), every, counted, true)
        for rival in self.rivals:
            tracks = rival.tracks(columns, truth, every)
            if rival.fitted is None:
                fitted = fits(columns, tracks)
            else:
                fitted = _fitted(columns, rival.fitted, len(tracks.event))
            yield rival.label, self._matched(rival.label, tracks, fitted, every, counted, true)

    def _origins(self, columns: Mapping[str, Values], every: TrueParticles) -> Values:
        """Return x, y, z, px, py, pz and charge of the particles, (particles, 7)."""
        named = (columns[f"{self.particles}_{name}"] for name in ORIGIN)
        found = [of_particles(one, every.event, every.identifier, self.particles) for one in named]
        return np.stack(found, 1)

    def _matched(
        self,
        name: str,
        tracks: TrackList,
        fitted: FittedTracks,
        every: TrueParticles,
        counted: Values,
        true: Values,
    ) -> Residuals:
        matched = MatchedTracks.of(tracks, every)
        chosen = matched.matched(self.matching)
        chosen[chosen] = counted[matched.particle[chosen]]
        if not chosen.any():
            raise DataError(f"evaluation '{self.name}': no track of '{name}' is matched")
        found = residuals(fitted, chosen, matched.particle, true)
        if not len(found.particle):
            raise DataError(
                f"evaluation '{self.name}': none of the {int(chosen.sum()):,} matched tracks of "
                f"'{name}' can be fitted; tracks need 3 to 100 hits of charged particles"
            )
        return found

    def _plots(self, run: EvaluatedRun, found: Mapping[str, Residuals]) -> Iterator[Plot]:
        for k, (name, unit) in enumerate(NAMES.items()):
            pulls = {method: one.core(k) for method, one in found.items()}
            yield Plot(f"Pulls of {name} within ±5.", plot_pull(pulls))
            for text in self.against:
                yield self._profile(run, found, text, k, f"Resolution of {name}{unit}")
                yield self._profile(run, found, text, k, f"Width of the pull of {name}")

    def _profile(
        self, run: EvaluatedRun, found: Mapping[str, Residuals], text: str, k: int, name: str
    ) -> Plot:
        """Return half the 68 % width of residuals or pulls in bins of an expression."""
        table = run.predictions
        every = TrueParticles.of(table.columns[self.identifier(run.study)])
        lists = value_of(table.columns, self.against[text])
        of_particle = of_particles(lists, every.event, every.identifier, self.particles)
        column = np.concatenate([of_particle[one.particle] for one in found.values()])
        sizes = [len(one.particle) for one in found.values()]
        values, start = {}, 0
        for (method, one), size in zip(found.items(), sizes, strict=True):
            values[method] = np.full(len(column), np.nan)  # of the tracks of the others
            own = one.pull if name.startswith("Width") else one.difference
            values[method][start : start + size] = own[:, k]
            start += size
        labels = axis_label(text, table.known_units.get(text)), name
        figure = plot_metric_profile(
            values, column, _width, labels, np.ones(len(column)), self.bins
        )
        return Plot(f"{name} against {text}.", figure)


def fitted_columns(prefix: str | None) -> list[str]:
    """Return the columns of another fit, none without a prefix."""
    return [] if prefix is None else [f"{prefix}_{name}" for name in (*PARAMETERS, "covariance")]


def _fitted(columns: Mapping[str, Values], prefix: str, tracks: int) -> FittedTracks:
    """Return the parameters of another fit.

    Raises DataError for another number of tracks or elements of their covariances.
    """
    flat = [ak.to_numpy(ak.flatten(columns[f"{prefix}_{name}"])) for name in PARAMETERS]
    elements = ak.to_numpy(ak.flatten(columns[f"{prefix}_covariance"], axis=None))
    if {len(one) for one in flat} != {tracks} or len(elements) != tracks * len(LOWER[0]):
        raise DataError(
            f"'{prefix}_…': there are {len(flat[0]):,} parameters and {len(elements):,} elements "
            f"of covariances for {tracks:,} tracks, which need 15 of each"
        )
    covariance = np.zeros((tracks, 5, 5))
    covariance[:, LOWER[0], LOWER[1]] = elements.reshape(tracks, -1)
    covariance[:, LOWER[1], LOWER[0]] = elements.reshape(tracks, -1)
    none = np.full(tracks, np.nan)
    return FittedTracks(np.stack(flat, 1).astype(np.float64), covariance, none, none)


def _width(values: Values, weights: Values) -> Measurement:
    finite = values[np.isfinite(values)]
    return half_width(finite) if len(finite) > 4 else Measurement(np.nan)


def _table(
    found: Mapping[str, Residuals], measured: Mapping[str, Mapping[str, Measurement]]
) -> Table:
    rows: list[list[object]] = []
    for method, values in measured.items():
        one = found[method]
        for name, unit in NAMES.items():
            cells = [str(values[f"{METRIC[name]}_{kind}"]) for kind in KINDS]
            rows.append([method, len(one.particle), one.lost, f"{name}{unit}", *cells])
    return Table(
        "Parameters of matched tracks at the beam: half of the width of the central 68.3 % of "
        "fitted − true, relative for q/pT; mean and standard deviation of the pulls within ±5, and "
        "half of the width of their central 68.3 %.",
        ["", "fitted", "not fitted", "", *(kind.replace("_", " ") for kind in KINDS)],
        rows,
    )
