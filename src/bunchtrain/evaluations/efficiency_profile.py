"""Efficiency profiles: efficiency of each class against spectators at a fixed cut."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from bunchtrain.evaluations._class_evaluation import (
    ClassEvaluation,
    ClassPredictions,
    class_fractions,
)
from bunchtrain.parts.ranges import InnerFraction, UnitFraction
from bunchtrain.plots import MAX_LEGEND, axis_label, bin_edges, plot_efficiency
from bunchtrain.report.content import Plot
from bunchtrain.statistics.metrics import BinnedEfficiency, binned_efficiency
from bunchtrain.study import Study

BINS = 12
#: Difference from the wanted efficiency above which that of the cut is given.
TIED = 0.01


class EfficiencyProfile(ClassEvaluation):
    """Efficiency of signal and of each background against spectators, at one overall ε_S.

    against     Spectators.
    efficiency  Signal efficiency of the cut on ln p_S / Σ_k f_k p_k.
    fractions   f_k of each other class, which add up to 1; equal if None.
    """

    def __init__(
        self,
        *,
        against: tuple[str, ...],
        efficiency: InnerFraction = 0.5,
        fractions: dict[str, UnitFraction] | None = None,
        target: str | None = None,
    ) -> None:
        super().__init__(target=target)
        self.against, self.efficiency, self.fractions = against, efficiency, fractions

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or spectator, or wrong fractions."""
        super().check(study)
        for column in self.against:
            self.need_spectator(study, column, "against")
        self.need_fractions("efficiency", [self.efficiency])
        self.need_class_fractions(study, self.fractions)

    def plots(self, events: ClassPredictions) -> Iterator[Plot]:
        """Yield a plot for each column and class."""
        for column in self.against:
            found, passing = self._profiles(events, column)
            at = f"at an overall ε_S of {self.efficiency:g}{_tied(passing, self.efficiency)}"
            many = len(events.run.predictions.estimators) > MAX_LEGEND
            at += f", of the {MAX_LEGEND} of largest AUC" if many else ""
            label = axis_label(column, events.run.predictions.known_units.get(column))
            for name in (events.signal, *events.backgrounds):
                is_signal = name == events.signal
                drawn = plot_efficiency(
                    found[name], label, log=not is_signal, name=f"Efficiency of {name}"
                )
                yield Plot(f"Efficiency of {name} against {column}, {at}.", drawn)

    def _profiles(
        self, events: ClassPredictions, column: str
    ) -> tuple[Mapping[str, Mapping[str, BinnedEfficiency]], Mapping[str, float]]:
        """Return class → model → efficiency in bins of a column, and model → ε_S of its cut."""
        truth, weights, values = events.truth, events.weights, events.column(column)
        edges, fractions = bin_edges(values, BINS), class_fractions(events.target, self.fractions)
        found: dict[str, dict[str, BinnedEfficiency]] = {name: {} for name in events.target.classes}
        passing: dict[str, float] = {}
        for model, probabilities in events.best_probabilities().items():
            curve = events.roc(probabilities, fractions)
            cut = curve.threshold_at(self.efficiency)
            passing[model] = curve.passing(cut)[0][0]
            passed = events.discriminant(probabilities, fractions) >= cut
            for k, name in enumerate(events.target.classes):
                own = truth == k
                found[name][model] = binned_efficiency(
                    passed[own], values[own], edges, weights[own]
                )
        return found, passing


def _tied(passing: Mapping[str, float], wanted: float) -> str:
    """Return a remark on the models whose cut has another efficiency, since scores are tied."""
    others = [f"{name} {e:.3g}" for name, e in passing.items() if abs(e - wanted) > TIED]
    return f" (with tied scores: {', '.join(others)})" if others else ""
