"""Response of neutral energy and of a jet, from the fractions of each hit and a track.

With the predicted fraction p_i of the neutral object in hit i of energy E_i, the neutral energy is
E_n = Σ_i p_i E_i, and that of the jet is E_n + p_track. The classical way subtracts the energy that
a particle of the track's momentum leaves on average (arXiv:1706.04965, arXiv:2003.08863):

    E_n = max(0, Σ_i E_i − ⟨E_charged⟩(p_track)).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise
from typing import Any

import awkward as ak
import numpy as np
from numpy.polynomial import Polynomial
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import (
    EvaluatedRun,
    Evaluation,
    average_trainings,
    spectator,
)
from bunchtrain.evaluations.shower_fractions import energies_target
from bunchtrain.parts.ranges import Edges, Positive
from bunchtrain.physics.shower_axes import distances, nearest_axis
from bunchtrain.plots import axis_label, plot_metric_profile, plot_response
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement, Metrics, half_width, mean
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Predictions, Values
from bunchtrain.targets import Quantity, Target

Floats = NDArray[np.float64]
#: Training events from which the energy of a track is taken.
CALIBRATED = 20_000
#: Names of the rivals.
SUBTRACTION, NEAREST = "track_subtraction", "nearest_axis"
#: Largest response that is drawn.
LARGEST = 3.0


class ParticleFlowResponse(Evaluation):
    """Response of the neutral energy and of the jet, beside the subtraction of a track's energy.

    A response is the predicted over the true energy, in the cells for the neutral one, of the
    particles for the jet. ⟨E_charged⟩(p) is a polynomial of second degree that is fitted to the
    training set; `nearest_axis` gives a hit to the nearest true axis, of showers along z. Metrics:
    `neutral_mean`, `neutral_width`, half of the 68 % width, `neutral_tail`, the fraction of events
    with |response − 1| > `tail`, `neutral_tail_ratio`, that over the one of the subtraction for the
    same events, `jet_mean` and `jet_width`. Events without neutral energy are left out.

    target   Target on points with the energies of the objects, the first if None.
    neutral  Its value for the neutral object.
    track    Spectator with the momentum of the track in GeV.
    charged  Spectator with the true momentum of the charged particle in GeV.
    energy   Spectator with the true energy of the neutral particle in GeV.
    tail     Deviation of the response from 1 beyond which an event is in the tail.
    against  Spectators with edges of bins, in each of which the response is in a table.
    axes     Prefix of the showers' columns _x and _y, in the order of the target's values; with it
             there is the rival `nearest_axis`.
    hits     Prefix of the hits' columns _x and _y.
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        neutral: str = "neutral",
        track: str = "track_momentum",
        charged: str = "charged_momentum",
        energy: str = "neutral_energy",
        tail: Positive = 0.5,
        against: Mapping[str, Edges] = {},
        axes: str | None = None,
        hits: str = "hit",
    ) -> None:
        self.target, self.neutral, self.tail, self.against = target, neutral, tail, against
        self.track, self.charged, self.energy = track, charged, energy
        self.columns: tuple[str, ...] = ()
        if axes is not None:
            self.columns = (f"{hits}_x", f"{hits}_y", f"{axes}_x", f"{axes}_y")

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, value or spectator."""
        target = energies_target(self.name, study, self.target)
        if self.neutral not in target.values:
            raise StudyError(
                f"evaluation '{self.name}': target '{target.name}' has no value "
                f"'{self.neutral}'{nearest(self.neutral, target.values)}; give it as 'neutral'"
            )
        for option in ("track", "charged", "energy"):
            self.need_spectator(study, getattr(self, option), option)
        for column in self.columns:
            self.need_spectator(study, column, "axes or hits:")
        for column in self.against:
            self.need_spectator(study, column, "against")

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics, tables and plots of the models and their rivals.

        Raises DataError if no event has neutral energy.
        """
        table, target = run.predictions, energies_target(self.name, run.study, self.target)
        found = {model: self._predicted(table, model, target) for model in table.models}
        energies = {model: one for model, one in found.items() if one is not None}
        energies |= self._rivals(run, target)
        results = Results(self.metrics(run))
        results.tables.append(self._table(table, target, energies, results.metrics))
        for column, edges in self.against.items():
            results.tables.append(self._bins(table, target, energies, column, edges))
        results.plots += self._plots(table, target, energies)
        return results

    def metrics(self, run: EvaluatedRun) -> dict[str, Metrics]:
        """Return the metrics of each model."""
        table, target = run.predictions, energies_target(self.name, run.study, self.target)
        subtracted = self._subtraction(run, target)

        def measure(training: str) -> Metrics:
            found = self._predicted(table, training, target)
            if found is None:
                return {}
            made = self._measure(table, target, found, subtracted)
            return {name: one.as_dict() for name, one in made.items()}

        return average_trainings(table, measure)

    def _predicted(self, table: Predictions, training: str, target: Target) -> Floats | None:
        """Return the neutral energy (events,) of a training."""
        fraction = table.column(training, target.name, Quantity(self.neutral))
        if fraction is None:
            return None
        # A hit that the representation leaves out has no prediction and counts as charged.
        return _sums(ak.nan_to_num(fraction) * _total(table, target))

    def _rivals(self, run: EvaluatedRun, target: Target) -> dict[str, Floats]:
        found = {SUBTRACTION: self._subtraction(run, target)}
        if self.columns:
            columns = [ak.Array(spectator(run.predictions, name)) for name in self.columns]
            event = np.repeat(np.arange(len(columns[0])), ak.num(columns[0]))
            hits = (ak.to_numpy(ak.flatten(one)).astype(np.float64) for one in columns[:2])
            axes = (ak.to_numpy(one).astype(np.float64)[event] for one in columns[2:])
            nearest_one = nearest_axis(distances(*hits, *axes))
            own = nearest_one[:, target.values.index(self.neutral)]
            fraction = ak.unflatten(own, ak.num(columns[0]))
            found[NEAREST] = _sums(fraction * _total(run.predictions, target))
        return found

    def _subtraction(self, run: EvaluatedRun, target: Target) -> Floats:
        """Return the energy of all hits less that of the track, at least 0, (events,)."""
        index = target.values.index(self.neutral)
        column = f"target_{target.name}"
        events = next(run.events(CALIBRATED, [column, self.track], split="train"))
        energy = events[column]  # (event, hit, object)
        charged = _sums(ak.sum(energy, axis=2)) - _sums(energy[:, :, index])
        momentum = ak.to_numpy(events[self.track]).astype(np.float64)
        if len(momentum) < 4:
            raise DataError(
                f"evaluation '{self.name}': {len(momentum)} training events are too few to find "
                "the energy of a track"
            )
        expected = Polynomial.fit(momentum, charged, 2)
        total = _sums(_total(run.predictions, target))
        track = spectator(run.predictions, self.track).astype(np.float64)
        return np.asarray(np.maximum(0.0, total - expected(track)))

    def _responses(
        self, table: Predictions, target: Target, energy: Floats
    ) -> tuple[Values, Values]:
        """Return the responses of the neutral energy, NaN without one, and of the jet."""
        true = _sums(table.truth(target.name, self.neutral))
        if not (true > 0).any():
            raise DataError(f"evaluation '{self.name}': no event has neutral energy")
        neutral = np.where(true > 0, energy / np.where(true > 0, true, 1.0), np.nan)
        jet = spectator(table, self.charged) + spectator(table, self.energy)
        return neutral, (energy + spectator(table, self.track)) / jet

    def _measure(
        self, table: Predictions, target: Target, energy: Floats, subtracted: Floats
    ) -> dict[str, Measurement]:
        neutral, jet = self._responses(table, target, energy)
        known, weights = np.isfinite(neutral), table.weights.astype(np.float64)
        reference = self._responses(table, target, subtracted)[0]
        own, other = self._in_tail(neutral), self._in_tail(reference)
        ones = known.astype(np.float64)
        return {
            "neutral_mean": mean(neutral[known], weights[known]),
            "neutral_width": half_width(neutral[known], weights[known]),
            "neutral_tail": ratio_of_sums(own, ones, weights),
            "neutral_tail_ratio": ratio_of_sums(own, other, weights),
            "jet_mean": mean(jet, weights),
            "jet_width": half_width(jet, weights),
        }

    def _in_tail(self, neutral: Values) -> Floats:
        """Return 1 for events whose response is in the tail, else 0."""
        return np.asarray(np.abs(neutral - 1) > self.tail, np.float64)

    def _table(
        self,
        table: Predictions,
        target: Target,
        energies: Mapping[str, Floats],
        metrics: Mapping[str, Metrics],
    ) -> Table:
        rows = []
        for name, energy in energies.items():
            made = self._measure(table, target, energy, energies[SUBTRACTION])
            if name in metrics:  # the mean over trainings
                made = {key: Measurement.from_dict(metrics[name][key]) for key in made}
            rows.append([name, *(str(one) for one in made.values())])
        return Table(
            f"Neutral and jet response of {len(table):,} events: mean, half of the 68 % width, "
            f"fraction of events beyond 1 ± {self.tail:g}, and that over the one of "
            f"{SUBTRACTION}.",
            ["", "neutral mean", "width", "tail", "tail ratio", "jet mean", "width"],
            rows,
        )

    def _bins(
        self,
        table: Predictions,
        target: Target,
        energies: Mapping[str, Floats],
        column: str,
        edges: tuple[float, ...],
    ) -> Table:
        """Return the width and the tail of the neutral response in bins of a spectator."""
        values = spectator(table, column)
        rows = []
        for name, energy in energies.items():
            cells = [name]
            for low, high in pairwise(edges):
                chosen = table.take((values >= low) & (values < high))
                own = energy[(values >= low) & (values < high)]
                cells += self._cells(chosen, target, own) if len(own) > 1 else ["", ""]
            rows.append(cells)
        bins = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
        names = [f"{what} at {one}" for one in bins for what in ("width", "tail")]
        caption = f"Width and tail of the neutral response in bins of {axis_label(column)}."
        return Table(caption, ["", *names], rows)

    def _cells(self, table: Predictions, target: Target, energy: Floats) -> list[str]:
        made = self._measure(table, target, energy, energy)
        return [str(made["neutral_width"]), str(made["neutral_tail"])]

    def _plots(
        self, table: Predictions, target: Target, energies: Mapping[str, Floats]
    ) -> Iterator[Plot]:
        found = {name: self._responses(table, target, one) for name, one in energies.items()}
        for k, what in enumerate(("Neutral", "Jet")):
            shown = {
                n: one[k][np.isfinite(one[k]) & (one[k] < LARGEST)] for n, one in found.items()
            }
            drawn = plot_response(shown, "Predicted / true energy")
            yield Plot(f"{what} response up to {LARGEST:g}.", drawn)

        def tail(values: Any, weights: Any) -> Measurement:
            return ratio_of_sums(self._in_tail(values), np.ones(len(values)), weights)

        neutral = {name: np.nan_to_num(one[0], nan=1.0) for name, one in found.items()}
        for column in self.against:
            labels = (axis_label(column), f"Neutral response beyond 1 ± {self.tail:g}")
            drawn = plot_metric_profile(
                neutral, spectator(table, column), tail, labels, table.weights, bins=6
            )
            yield Plot(f"Tail of the neutral response against {axis_label(column)}.", drawn)


def _total(table: Predictions, target: Target) -> Any:
    """Return the energy of each hit, (events, hits)."""
    return sum(ak.values_astype(table.truth(target.name, one), np.float64) for one in target.values)


def _sums(values: Any) -> Floats:
    """Return the sum over the hits of each event, (events,)."""
    return np.asarray(ak.to_numpy(ak.sum(ak.values_astype(values, np.float64), axis=1)))
