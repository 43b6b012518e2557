"""Noise that is left in the samples of a pulse, of networks beside filters and the raw samples.

The residual noise is √⟨(y_t − s_t)²⟩ over samples t and events, with the pulse s without noise and
its prediction y. A filter of the amplitude A predicts y = A g with the shape g = Σ A s / Σ A² of
the training set; where the shape is known and the noise is stationary nothing is better than the
optimal filter (arXiv:2204.06655 compares an autoencoder with filters).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import (
    EvaluatedRun,
    Evaluation,
    average_trainings,
    spectator,
)
from bunchtrain.plots import plot_by_sample
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement, Metrics, mean
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Predictions
from bunchtrain.targets import Quantity, Target

Floats = NDArray[np.float64]
#: Training events of which the shape is made.
SHAPED = 20_000
RAW = "raw samples"


class ResidualNoise(Evaluation):
    """Noise left in predicted pulses, beside the raw samples and filters of the amplitude.

    Metrics: `residual_noise`, and `noise_left`, that over the one of the raw samples.

    target     Target on samples with one value, the pulse without noise; the first if None.
    raw        Spectator with the samples as measured.
    amplitude  Value of a target of events, the amplitude.
    filters    Models of it whose amplitude times the mean shape is compared.
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        raw: str = "sample_value",
        amplitude: str = "amplitude",
        filters: tuple[str, ...] = (),
    ) -> None:
        self.target, self.raw, self.amplitude, self.filters = target, raw, amplitude, filters

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, spectator or model."""
        self._samples(study)
        self.need_spectator(study, self.raw, "raw")
        if self.filters:
            self._amplitude(study)
        for name in self.filters:
            if name not in study.models:
                raise StudyError(
                    f"evaluation '{self.name}': filters: there is no model "
                    f"'{name}'{nearest(name, study.models)}"
                )

    def _samples(self, study: Study) -> Target:
        known = {
            one.name: one
            for one in study.predicted_targets()
            if one.axis == "point" and len(one.values) == 1
        }
        return self._chosen(known, self.target, "on points with one value, the pulse without noise")

    def _amplitude(self, study: Study) -> Target:
        known = {
            one.name: one
            for one in study.predicted_targets()
            if one.axis == "event" and self.amplitude in one.values
        }
        return self._chosen(known, None, f"of events with the value '{self.amplitude}'")

    def _chosen(self, known: Mapping[str, Target], given: str | None, what: str) -> Target:
        name = next(iter(known), None) if given is None else given
        if name is None or name not in known:
            named = f"target '{given}'" if given else "a target"
            hint = nearest(given or "", known)
            raise StudyError(f"evaluation '{self.name}' needs {named} {what}{hint}")
        return known[name]

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, a table with the rivals, and the noise against the sample.

        Raises DataError for events with different numbers of samples.
        """
        table, target = run.predictions, self._samples(run.study)
        found = {model: self._predicted(table, model, target) for model in table.models}
        pulses = {model: one for model, one in found.items() if one is not None}
        pulses |= self._rivals(run, target)
        results, true = Results(self.metrics(run)), self._true(table, target)
        rows, drawn = [], {}
        for name, pulse in pulses.items():
            made = self._measure(table, pulse, true)
            if name in results.metrics:  # the mean over trainings
                made = {k: Measurement.from_dict(results.metrics[name][k]) for k in made}
            rows.append([name, *(str(one) for one in made.values())])
            drawn[name] = [_root(mean(one, table.weights)) for one in np.square(pulse - true).T]
        caption = (
            f"Residual noise of {len(table):,} pulses, and its ratio to the one of the raw samples."
        )
        results.tables.append(Table(caption, ["", "residual noise", "noise left"], rows))
        results.plots.append(Plot("Residual noise of each sample.", plot_by_sample(drawn)))
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of each model that predicts samples."""
        table, target = run.predictions, self._samples(run.study)
        true = self._true(table, target)

        def measure(training: str) -> Metrics:
            pulse = self._predicted(table, training, target)
            if pulse is None:
                return {}
            return {k: one.as_dict() for k, one in self._measure(table, pulse, true).items()}

        return average_trainings(table, measure)

    def _true(self, table: Predictions, target: Target) -> Floats:
        return self._regular(table.truth(target.name, target.values[0]))

    def _predicted(self, table: Predictions, training: str, target: Target) -> Floats | None:
        found = table.column(training, target.name, Quantity(target.values[0]))
        return None if found is None else self._regular(found)

    def _regular(self, lists: Any) -> Floats:
        """Return lists of equal length as (events, samples)."""
        lists = ak.Array(lists)
        if not len(lists) or ak.any(ak.num(lists) != ak.num(lists)[0]):
            raise DataError(
                f"evaluation '{self.name}': events must have the same number of samples, and "
                "there must be events"
            )
        return np.asarray(ak.to_numpy(lists), np.float64)

    def _rivals(self, run: EvaluatedRun, target: Target) -> dict[str, Floats]:
        table = run.predictions
        found = {RAW: self._regular(spectator(table, self.raw))}
        if not self.filters:
            return found
        pulse = self._amplitude(run.study)
        shape = self._shape(run, target, pulse)
        for name in self.filters:
            amplitude = table.column(name, pulse.name, Quantity(self.amplitude))
            if amplitude is not None:
                found[f"{name} × shape"] = np.outer(amplitude, shape)
        return found

    def _shape(self, run: EvaluatedRun, target: Target, pulse: Target) -> Floats:
        """Return g = Σ A s / Σ A² of the training set, (samples,)."""
        names = [f"target_{target.name}", f"target_{pulse.name}"]
        events = next(run.events(SHAPED, names, split="train"))
        samples = np.asarray(ak.to_numpy(events[names[0]]), np.float64).reshape(len(events), -1)
        values = np.asarray(ak.to_numpy(events[names[1]]), np.float64).reshape(len(events), -1)
        amplitude = values[:, pulse.values.index(self.amplitude)]
        return np.asarray(amplitude @ samples / (amplitude @ amplitude))

    def _measure(self, table: Predictions, pulse: Floats, true: Floats) -> dict[str, Measurement]:
        raw = self._regular(spectator(table, self.raw))
        squares, of_raw = (np.square(one - true).mean(1) for one in (pulse, raw))
        left = _root(ratio_of_sums(squares, of_raw, table.weights))
        return {"residual_noise": _root(mean(squares, table.weights)), "noise_left": left}


def _root(square: Measurement) -> Measurement:
    """Return the square root of a measurement."""
    root = float(np.sqrt(square.value))
    return Measurement(root, (square.error or 0.0) / (2 * root) if root else 0.0)
