"""Clustering: efficiency, fakes, splits and energy response of showers or jets made of points."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import product
from typing import Annotated, Any

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain import parts
from bunchtrain.errors import DataError, StudyError, shorten
from bunchtrain.evaluations._evaluation import EvaluatedRun, average_trainings
from bunchtrain.evaluations._matched_clusters import Found, matched
from bunchtrain.evaluations._object_evaluation import (
    ObjectEvaluation,
    of_particles,
    search,
)
from bunchtrain.evaluations._object_properties import (
    ObjectProperties,
    PropertyComparison,
    add_properties,
)
from bunchtrain.parts.ranges import NUMBER, Bins, NonNegative, PointCount
from bunchtrain.plots import plot_response
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.cluster_matching import match_clusters
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement, Metrics, half_width
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.predictions import Values
from bunchtrain.targets import Target
from bunchtrain.transforms._clustering import Clustering

METRICS = (
    "cluster_efficiency", "cluster_fake_rate", "cluster_split_rate", "cluster_response",
    "cluster_response_width",
)  # fmt: skip
#: Validation events on which options are scanned, and the largest number of their combinations.
SCANNED, COMBINATIONS = 500, 200
Half = Annotated[float, Field(ge=0.5, lt=1), NUMBER]


class ClusteringEfficiency(ObjectEvaluation):
    """Efficiency, fakes, splits and response of clusters, beside scanned classical ones.

    A cluster is of the true object with most of its energy. It is pure if this is more than
    `purity` of its energy, and matched if it also has more than `completeness` of the energy of the
    object. `cluster_efficiency` is the fraction of true objects with a matched cluster;
    `cluster_fake_rate` that of clusters that are not pure, `cluster_split_rate` that of pure ones
    without a match, both of all clusters. `cluster_response` and `cluster_response_width` are the
    mean and half the width of the central 68.3 % of cluster over true energy. Uncertainties of
    ratios include correlations within an event. The rivals are made of the same points.

    With properties of objects there are also `object_energy_response` and `object_energy_width`,
    the mean and half the 68.3 % width of predicted over true energy of matched objects, beside the
    calibrated sums of the energies of points, and `object_class_accuracy`.

    objects        Transform of the study; the first if None.
    ids            Target with `ids`, the true object of each point; the first if None.
    energy         Column of the energy, or pT, of the points, a spectator.
    particles      Prefix of the lists of true objects, in which the identifiers are indices.
    true_energy    Their column with the true energy; the sum over the points if None.
    least          Smallest number of points of a true object that counts.
    least_energy   Smallest energy of a cluster that counts.
    purity         Fraction of the energy of a cluster, at least a half.
    completeness   Fraction of the energy of a true object, at least a half.
    select         Condition on columns of true objects that one that counts must fulfil.
    against        Their columns against which the efficiency is drawn.
    bins           Number of bins of these.
    baselines      Name → transform of events, as {name: clue, …}. With `scan: {OPTION: [values]}`
                   its options are those of the largest F = 2 matched / (objects + clusters) in the
                   validation set; NAME@efficiency, if they differ, those with the fewest fakes and
                   splits at the efficiency of the first model or above.
    """

    def __init__(
        self,
        *,
        energy: str,
        objects: str | None = None,
        ids: str | None = None,
        particles: str | None = None,
        true_energy: str | None = None,
        least: PointCount = 3,
        least_energy: NonNegative = 0.0,
        purity: Half = 0.5,
        completeness: Half = 0.5,
        select: str | None = None,
        against: tuple[str, ...] = (),
        bins: Bins = 8,
        baselines: Mapping[str, dict[str, Any]] | None = None,
        properties: ObjectProperties = ObjectProperties(),  # noqa: B008 - never changed
    ) -> None:
        super().__init__(objects, ids, least, particles, select, against, bins)
        self.energy, self.true_energy, self.least_energy = energy, true_energy, least_energy
        self.purity, self.completeness = purity, completeness
        self.properties = properties
        self.baselines = {
            name: [self.build(one) for one in _combinations(name, given)]
            for name, given in (baselines or {}).items()
        }

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown transform, identifier or column."""
        self.check_columns(study, [made[0] for made in self.baselines.values()])
        self.need_spectator(study, self.energy, "energy")
        if self.true_energy is not None:
            self.need_column_of_particles(study, self.true_energy, "true_energy")
        if self.properties.object_energy is not None:
            self.need_column_of_particles(study, self.properties.object_energy, "object_energy")
        if self.properties.are_given:
            self.properties.check(f"evaluation '{self.name}'", self._target(study))
        if taken := sorted(set(self.baselines) & set(model_configs(study))):
            raise StudyError(
                f"evaluation '{self.name}': '{taken[0]}' is the name of a model and of a baseline; "
                "choose another one"
            )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, a table with the baselines, profiles of the efficiency and responses."""
        columns, predicted = run.predictions.columns, self.predicted(run)
        found = {
            model: self._match(run.study, columns, objects) for model, objects in predicted.items()
        }
        metrics = self.metrics(run)
        for name, transform in self._rivals(run, metrics).items():
            objects = search(transform, columns, columns[self.identifier(run.study)])
            found[name] = self._match(run.study, columns, objects)
        results = Results(metrics, list(self._plots(run, found)))
        results.tables.append(self._table(run, found, metrics))
        if self.properties.are_given and predicted:
            add_properties(results, self._comparison(run), predicted, found)
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of each model.

        Raises DataError if no true object counts.
        """
        name, table = self.transform(run.study), run.predictions
        comparison = self._comparison(run) if self.properties.are_given else None

        def measure(training: str) -> Metrics:
            objects = table.scores(training, "object").get(name)
            if objects is None:
                return {}
            found = self._match(run.study, table.columns, objects)
            made = self._measure(found, table.weights)
            if comparison is not None:
                made |= comparison.metrics(training, objects, found)
            return {metric: one.as_dict() for metric, one in made.items()}

        return average_trainings(table, measure)

    def _match(self, study: Study, columns: Mapping[str, Any], objects: ak.Array) -> Found:
        """Return the clusters with their true objects, and the true objects that count."""
        truth = columns[self.identifier(study)]
        flat, own = (ak.to_numpy(ak.flatten(one)).astype(np.int64) for one in (objects, truth))
        points = np.repeat(np.arange(len(truth)), ak.to_numpy(ak.num(truth)))
        energy = self._energy(columns, points)
        made = match_clusters(points, flat, own, energy, self.purity, self.completeness)
        made = made[made.energy >= self.least_energy]
        event, identifier = self.counted(columns, truth)
        true = None
        if self.true_energy is not None:
            lists = columns[self.true_energy]
            true = of_particles(lists, event, identifier, self.particles)
        return matched(made, event, identifier, true)

    def _target(self, study: Study) -> Target:
        """Return the target whose predictions the transform reads."""
        part = study.transforms[self.transform(study)]
        made: Clustering = parts.build("transform", part.name, part.options)
        return made.read_target({one.name: one for one in study.predicted_targets()})

    def _comparison(self, run: EvaluatedRun) -> PropertyComparison:
        truth = run.predictions.columns[self.identifier(run.study)]
        return PropertyComparison(
            self.properties, run.predictions, self._target(run.study), truth, self.particles
        )

    def _energy(self, columns: Mapping[str, Any], event: Values) -> Values:
        """Return the energy of each point, (points,)."""
        energy: Values = ak.to_numpy(ak.flatten(columns[self.energy])).astype(np.float64)
        if (wrong := np.flatnonzero(~(energy >= 0) | np.isinf(energy))).size:
            at = int(wrong[0])
            point = at - int(np.searchsorted(event, event[at]))
            raise DataError(
                f"evaluation '{self.name}': '{self.energy}' of point {point} of event {event[at]} "
                f"of the test set is {energy[at]:g}; remove such points with 'select'"
            )
        return energy

    def _measure(self, found: Found, weights: Values) -> dict[str, Measurement]:
        """Return the metrics, ratios of sums over events and the width of the response."""

        def sums(event: Values, values: Values | None = None) -> Values:
            return np.bincount(event, values, minlength=len(weights))

        made = found.clusters
        clusters, matched = sums(made.event), sums(found.of)
        ratios = (
            (sums(found.event, found.found), sums(found.event)),
            (sums(made.event, ~made.is_pure), clusters),
            (sums(made.event, made.is_pure & ~made.is_matched), clusters),
            (sums(found.of, found.response), matched),
        )
        values = [ratio_of_sums(*pair, weights) for pair in ratios]
        enough = len(found.response) > 1
        width = half_width(found.response, weights[found.of]) if enough else Measurement(np.nan)
        return dict(zip(METRICS, [*values, width], strict=True))

    def _rivals(self, run: EvaluatedRun, metrics: Mapping[str, Metrics]) -> dict[str, Clustering]:
        """Return the baselines with the options of the scan."""
        fixed = {name: made[0] for name, made in self.baselines.items() if len(made) == 1}
        scanned = {name: made for name, made in self.baselines.items() if len(made) > 1}
        if not scanned:
            return fixed
        columns = self._validation(run, [one for made in scanned.values() for one in made])
        wanted = next(iter(metrics.values()))["cluster_efficiency"]["value"] if metrics else 1.0
        for name, made in scanned.items():
            points = [self._scan_point(run.study, columns, one) for one in made]
            best = int(np.argmax([point[2] for point in points]))
            enough = [k for k, point in enumerate(points) if point[0] >= wanted]
            equal = min(enough, key=lambda k: points[k][1]) if enough else best
            fixed[name] = made[best]
            if equal != best:
                fixed[f"{name}@efficiency"] = made[equal]
        return fixed

    def _validation(self, run: EvaluatedRun, made: Sequence[Clustering]) -> dict[str, Any]:
        """Return columns of the first events of the validation set."""
        study = run.study
        names = {self.energy, *(self.select.columns if self.select else ())}
        names |= {self.true_energy} - {None}
        names |= {column for one in made for column in one.columns(study.spectators)}
        events = next(run.events(SCANNED, split="validation"))
        found = {name: events[name] for name in sorted(names)}
        return found | {self.identifier(study): events[f"target_{self.identifier(study)}"]}

    def _scan_point(
        self, study: Study, columns: Mapping[str, Any], transform: Clustering
    ) -> tuple[float, float, float]:
        """Return the efficiency, the rate of fakes and splits, and F."""
        objects = search(transform, columns, columns[self.identifier(study)])
        found = self._match(study, columns, objects)
        made, matched, total = found.clusters, found.found.sum(), len(found.found)
        wrong = float((~made.is_matched).mean()) if len(made.event) else 1.0
        return matched / total, wrong, 2 * matched / (total + len(made.event))

    def _table(
        self, run: EvaluatedRun, found: Mapping[str, Found], metrics: Mapping[str, Metrics]
    ) -> Table:
        rows = []
        for name, one in found.items():
            measured = self._measure(one, run.predictions.weights)
            if name in metrics:  # the mean over trainings
                measured = {k: Measurement.from_dict(metrics[name][k]) for k in METRICS}
            rows.append([name, *(str(measured[key]) for key in METRICS)])
        return Table(
            f"Clusters of {len(run.predictions):,} events: efficiency, fractions of clusters that "
            "are fakes or splits, and energy of matched clusters over the true one.",
            ["", *(key.removeprefix("cluster_").replace("_", " ") for key in METRICS)],
            rows,
        )

    def _plots(self, run: EvaluatedRun, found: Mapping[str, Found]) -> Iterator[Plot]:
        passed = {name: one.found for name, one in found.items()}
        yield from self.efficiency_plots(run, passed, "Clustering efficiency")
        responses = {name: one.response for name, one in found.items() if len(one.response) > 1}
        if responses:
            drawn = plot_response(responses, "Energy of the cluster / true energy")
            yield Plot("Response of matched clusters.", drawn)


def _combinations(name: str, given: Mapping[str, Any]) -> list[dict[str, Any]]:
    """Return the options of each point of the scan of a baseline.

    Raises StudyError for too many of them, or values that are no list.
    """
    fixed = {key: value for key, value in given.items() if key != "scan"}
    scan = given.get("scan", {})
    if not isinstance(scan, Mapping) or not all(isinstance(v, list) and v for v in scan.values()):
        raise StudyError(
            f"evaluation 'clustering_efficiency': the scan of baseline '{name}' must name options "
            f"with lists of values, got {shorten(scan)}"
        )
    points = [dict(zip(scan, values, strict=True)) for values in product(*scan.values())]
    if len(points) > COMBINATIONS:
        raise StudyError(
            f"evaluation 'clustering_efficiency': the scan of baseline '{name}' has {len(points)} "
            f"combinations; at most {COMBINATIONS} are tried"
        )
    return [{**fixed, **point} for point in points]
