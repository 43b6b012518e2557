"""Response of the first of several overlapping showers, from the fractions of each hit.

With the predicted fraction p_i of the first shower in hit i, its true fraction t_i and the energy
E_i, the response of an event is R = Σ_i p_i E_i / Σ_i t_i E_i, whose mean and standard deviation
are those of events within a window, 0.2 < R < 2.8 (arXiv:1902.07987).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Literal

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation, average_trainings
from bunchtrain.parts.ranges import NonNegative
from bunchtrain.physics.shower_axes import LateralProfile, distances, nearest_axis
from bunchtrain.plots import plot_response
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement, Metrics, mean, standard_deviation
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Predictions, Values
from bunchtrain.targets import Quantity, Target

Floats = NDArray[np.float64]
Rival = Literal["nearest_axis", "profile_weights"]
#: Training events of which the mean profile is made.
PROFILED = 2000


class ShowerFractions(Evaluation):
    """Mean and spread of the response of the first shower, with rivals that know the axes.

    `nearest_axis` gives a hit to the nearest true axis, `profile_weights` divides it in the ratio
    of the mean lateral profiles of a shower in its layer, made from the training set. Both take
    showers along z. Metrics: `response_mean`, `response_spread` within the window, and
    `response_outside`, the fraction of events beyond; each also in every value of `by`, as
    `response_spread/60`.

    target     Target on points with the energies of the showers, the first if None.
    by         Spectator with few values, such as the separation, in each of which all is repeated.
    window     Smallest and largest response of the events that count.
    baselines  `nearest_axis`, `profile_weights`.
    hits       Prefix of the hits' columns _x, _y and _layer, spectators that the baselines read.
    axes       Prefix of the showers' columns _x and _y, in the order of the target's values.
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        by: str | None = None,
        window: tuple[NonNegative, NonNegative] = (0.2, 2.8),
        baselines: tuple[Rival, ...] = (),
        hits: str = "hit",
        axes: str = "particle",
    ) -> None:
        self.target, self.by, self.window, self.baselines = target, by, window, baselines
        self.columns = (f"{hits}_x", f"{hits}_y", f"{hits}_layer", f"{axes}_x", f"{axes}_y")

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or spectator, or a window that does not rise."""
        energies_target(self.name, study, self.target)
        if not self.window[0] < self.window[1]:
            raise StudyError(f"evaluation '{self.name}': window must rise, got {self.window}")
        if self.by is not None:
            self.need_spectator(study, self.by, "by")
        for column in self.columns if self.baselines else ():
            self.need_spectator(study, column, "baselines:")

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, a table with the baselines, and the response of all of them."""
        table, target = run.predictions, energies_target(self.name, run.study, self.target)
        found = {model: self._response(table, model, target) for model in table.models}
        responses = {model: one for model, one in found.items() if one is not None}
        responses |= self._rivals(run, target)
        results = Results(self.metrics(run), list(self._plots(table, responses)))
        results.tables.append(self._table(table, responses, results.metrics))
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of each model.

        Raises DataError if no event has energy of the first shower.
        """
        table, target = run.predictions, energies_target(self.name, run.study, self.target)

        def measure(training: str) -> Metrics:
            found = self._response(table, training, target)
            if found is None:
                return {}
            return {name: one.as_dict() for name, one in self._measure(table, found).items()}

        return average_trainings(table, measure)

    def _response(self, table: Predictions, training: str, target: Target) -> Values | None:
        """Return the response (events,) of a training, NaN without energy of the first shower."""
        fraction = table.column(training, target.name, Quantity(target.values[0]))
        if fraction is None:
            return None
        # A hit that the representation leaves out is given to no shower.
        flat = np.nan_to_num(ak.to_numpy(ak.flatten(fraction)).astype(np.float64))
        return _responses(flat, _true_energies(table, target), ak.num(fraction))

    def _rivals(self, run: EvaluatedRun, target: Target) -> dict[str, Values]:
        if not self.baselines:
            return {}
        table = run.predictions
        energy = _true_energies(table, target)
        columns = {name: table.columns[name] for name in self.columns}
        distance, layer, counts = self._geometry(columns, len(target.values))
        found: dict[str, Values] = {}
        for name in self.baselines:
            if name == "nearest_axis":
                fraction = nearest_axis(distance)
            else:
                fraction = self._profile(run, target).fractions(distance, layer)
            found[name] = _responses(fraction[:, 0], energy, counts)
        return found

    def _geometry(
        self, columns: Mapping[str, Any], showers: int
    ) -> tuple[Floats, NDArray[np.int64], Any]:
        """Return the distances (hits, axis), the layers of hits, and the number of hits."""
        x, y, layer, axis_x, axis_y = (ak.Array(columns[name]) for name in self.columns)
        counts = ak.num(x)
        if ak.any(ak.num(axis_x) != showers):
            raise DataError(
                f"evaluation '{self.name}': an event has not the {showers} axes of the target in "
                f"'{self.columns[3]}'; name the columns of its showers as 'axes'"
            )
        event = np.repeat(np.arange(len(counts)), counts)
        axes = (ak.to_numpy(one).astype(np.float64)[event] for one in (axis_x, axis_y))
        hits = (ak.to_numpy(ak.flatten(one)).astype(np.float64) for one in (x, y))
        return distances(*hits, *axes), ak.to_numpy(ak.flatten(layer)).astype(np.int64), counts

    def _profile(self, run: EvaluatedRun, target: Target) -> LateralProfile:
        events = next(run.events(PROFILED, split="train"))
        distance, layer, _ = self._geometry(
            {name: events[name] for name in self.columns}, len(target.values)
        )
        flat = ak.flatten(events[f"target_{target.name}"])
        energy = ak.to_numpy(flat).astype(np.float64)  # (hits, shower)
        return LateralProfile.fit(distance, layer, energy, len(events) * len(target.values))

    def _subsets(self, table: Predictions) -> Iterator[tuple[str, Values]]:
        """Yield the end of the name of metrics, and the events that they are of."""
        yield "", np.ones(len(table), bool)
        if self.by is not None:
            values = table.columns[self.by]
            for value in np.unique(values):
                yield f"/{value:g}", values == value

    def _measure(self, table: Predictions, response: Values) -> dict[str, Measurement]:
        found: dict[str, Measurement] = {}
        for end, rows in self._subsets(table):
            known = rows & np.isfinite(response)
            if not known.any():
                raise DataError(
                    f"evaluation '{self.name}': no event has energy of the first shower"
                )
            inside = known & (response > self.window[0]) & (response < self.window[1])
            weights = table.weights.astype(np.float64)
            average, spread = mean_and_spread(response[inside], weights[inside])
            found |= {f"response_mean{end}": average, f"response_spread{end}": spread}
            found[f"response_outside{end}"] = ratio_of_sums(
                (known & ~inside).astype(np.float64), known.astype(np.float64), weights
            )
        return found

    def _table(
        self, table: Predictions, responses: Mapping[str, Values], metrics: Mapping[str, Metrics]
    ) -> Table:
        ends = [end for end, _ in self._subsets(table)]
        names = [f"response_{one}{end}" for end in ends for one in ("mean", "spread", "outside")]
        rows = []
        for name, response in responses.items():
            measured = self._measure(table, response)
            if name in metrics:  # the mean over trainings
                measured = {key: Measurement.from_dict(metrics[name][key]) for key in names}
            rows.append([name, *(str(measured[key]) for key in names)])
        low, high = self.window
        return Table(
            f"Response of the first shower within {low:g} and {high:g}, of {len(table):,} events: "
            "mean, standard deviation, and the fraction of events outside.",
            ["", *(key.removeprefix("response_").replace("/", " at ") for key in names)],
            rows,
        )

    def _plots(self, table: Predictions, responses: Mapping[str, Values]) -> Iterator[Plot]:
        for end, rows in self._subsets(table):
            inside = {
                name: one[rows & (one > self.window[0]) & (one < self.window[1])]
                for name, one in responses.items()
            }
            kept = {name: values for name, values in inside.items() if len(values) > 1}
            if end and kept:
                caption = f"Response of the first shower at {self.by} {end[1:]}."
                yield Plot(caption, plot_response(kept, "Predicted / true energy"))


def energies_target(name: str, study: Study, target: str | None) -> Target:
    """Return the target on points with the energies of objects of this name, the first if None.

    name  of the evaluation. Raises StudyError, naming the nearest, if there is none.
    """
    known = {
        one.name: one
        for one in study.predicted_targets()
        if one.axis == "point" and len(one.values) > 1
    }
    chosen = next(iter(known), None) if target is None else target
    if chosen is None or chosen not in known:
        named = f"target '{target}'" if target else "a target"
        raise StudyError(
            f"evaluation '{name}' needs {named} on points with the energies of two or more "
            f"showers{nearest(target or '', known)}"
        )
    return known[chosen]


def mean_and_spread(values: Floats, weights: Floats) -> tuple[Measurement, Measurement]:
    """Return mean and standard deviation of values (n,), NaN of fewer than two."""
    if len(values) < 2 or not weights.sum() > 0:
        return Measurement(np.nan), Measurement(np.nan)
    return mean(values, weights), standard_deviation(values, weights)


def _true_energies(table: Predictions, target: Target) -> Floats:
    """Return the energy of each shower in each hit, (hits, shower)."""
    columns = [ak.flatten(table.truth(target.name, value)) for value in target.values]
    return np.stack([ak.to_numpy(one).astype(np.float64) for one in columns], 1)


def _responses(fraction: Floats, energy: Floats, counts: Any) -> Values:
    """Return Σ p E / Σ t E of the first shower in each event, NaN where it has no energy."""
    event, events = np.repeat(np.arange(len(counts)), counts), len(counts)
    predicted = np.bincount(event, fraction * energy.sum(1), events)
    true = np.bincount(event, energy[:, 0], events)
    return np.asarray(np.where(true > 0, predicted / np.where(true > 0, true, 1), np.nan))
