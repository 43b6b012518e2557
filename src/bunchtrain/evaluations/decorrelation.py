"""Decorrelation of scores from a column: 1/JSD, and the plots that show the dependence.

1/JSD compares the spectra of the background that passes and that fails a cut
(ATL-PHYS-PUB-2018-014, arXiv:2001.05310).
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from itertools import pairwise

import numpy as np

from bunchtrain.errors import StudyError
from bunchtrain.evaluations._class_evaluation import ClassEvaluation, ClassPredictions
from bunchtrain.parts.ranges import Edges, InnerFractions
from bunchtrain.plots import (
    DecorrelationPoint,
    axis_label,
    plot_decorrelation,
    plot_score_profile,
    plot_spectra,
)
from bunchtrain.report.content import Plot
from bunchtrain.statistics.metrics import (
    Measurement,
    Metrics,
    background_rejection,
    effective_count,
    inverse_jensen_shannon,
    roc,
)
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.predictions import Values

#: Models whose spectra and profiles are drawn, at most.
MAX_DRAWN = 9
#: Signal efficiencies of the cuts on the spectra that are drawn.
CUTS = (0.8, 0.5, 0.3)


class Decorrelation(ClassEvaluation):
    """1/JSD of the background's spectrum in a column, with rejection, spectra and profiles.

    against       Spectator on which scores should not depend.
    edges         Bin edges of its spectra, rising, in its unit.
    efficiencies  Signal efficiencies of the cuts.
    """

    def __init__(
        self,
        *,
        against: str,
        edges: Edges,
        efficiencies: InnerFractions = (0.5,),
        target: str | None = None,
    ) -> None:
        super().__init__(target=target)
        self.against, self.edges, self.efficiencies = against, np.asarray(edges), efficiencies

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or spectator, wrong edges or efficiencies."""
        super().check(study)
        self.need_spectator(study, self.against, "against")
        self.need_fractions("efficiencies", self.efficiencies)
        if len(self.edges) < 3 or any(low >= high for low, high in pairwise(self.edges)):
            raise StudyError(f"evaluation '{self.name}': edges must be three or more, and rise")

    def measure(self, events: ClassPredictions, training: str, probabilities: Values) -> Metrics:
        """Return `inverse_jsd_50`, … at each signal efficiency."""
        score = events.discriminant(probabilities)
        return {
            f"inverse_jsd_{100 * e:g}": self._inverse_jsd(events, score, e).as_dict()
            for e in self.efficiencies
        }

    def _inverse_jsd(
        self, events: ClassPredictions, score: Values, efficiency: float
    ) -> Measurement:
        column = events.column(self.against)
        return inverse_jensen_shannon(
            score, events.is_signal, column, self.edges, efficiency, events.weights
        )

    def plots(self, events: ClassPredictions) -> Iterator[Plot]:
        """Yield rejection against 1/JSD of all models, spectra before and after cuts, profiles."""
        scores = {name: events.discriminant(p) for name, p in events.all_probabilities.items()}
        if not scores:
            return
        label = axis_label(self.against, events.run.predictions.known_units.get(self.against))
        points = {e: self._points(events, scores, e) for e in self.efficiencies}
        for efficiency, found in points.items():
            independent = self._independent_inverse_jsd(events, scores, efficiency)
            yield Plot(
                f"Background rejection against decorrelation from {self.against}; each curve is a "
                "method at rising strength. Beyond the dotted line a score cannot be distinguished "
                "from an independent one with these events.",
                plot_decorrelation(list(found.values()), efficiency, label, independent),
                wide=True,
            )
        drawn = _best_of_methods(next(iter(points.values())))
        background = ~events.is_signal
        column, weights = events.column(self.against)[background], events.weights[background]
        passed = {
            name: {
                rf"$\varepsilon_S$ = {e:g}": (scores[name] >= _cut(events, scores[name], e))[
                    background
                ]
                for e in CUTS
            }
            for name in drawn
        }
        few = len(drawn) < len(scores)
        shown = "the model of largest 1/JSD of every method" if few else "models"
        yield Plot(
            f"Spectrum of {self.against} of the background before and after cuts, {shown}.",
            plot_spectra(column, passed, self.edges, label, weights),
            wide=True,
        )
        ranks = {name: _ranks(scores[name])[background] for name in drawn}
        yield Plot(
            f"Mean rank of the background's score, 0 to 1, against {self.against}, {shown}.",
            plot_score_profile(ranks, column, self.edges, label, weights),
        )

    def _points(
        self, events: ClassPredictions, scores: Mapping[str, Values], efficiency: float
    ) -> dict[str, DecorrelationPoint]:
        configs = model_configs(events.run.study)
        found = {}
        for name, score in scores.items():
            curve = roc(score, events.is_signal, events.weights)
            config = configs.get(name)
            found[name] = DecorrelationPoint(
                config.curve if config else name,
                config.strength if config else None,
                self._inverse_jsd(events, score, efficiency),
                background_rejection(curve, efficiency),
            )
        return found

    def _independent_inverse_jsd(
        self, events: ClassPredictions, scores: Mapping[str, Values], efficiency: float
    ) -> float:
        """Return 1/JSD, on average, of a score that is independent of the column.

        JSD is c (B − 1) in B bins with c = (1/n_P + 1/n_F)/(8 ln 2) for effective counts of the
        background that passes and fails, of the model that passes the fewest.
        """
        background, found = ~events.is_signal, []
        for score in scores.values():
            passed = score[background] >= _cut(events, score, efficiency)
            weights = events.weights[background]
            counts = [effective_count(w) for w in (weights[passed], weights[~passed]) if len(w)]
            found.append(sum(1 / n for n in counts) / (8 * np.log(2)) * (len(self.edges) - 2))
        return float(1 / max(found))


def _cut(events: ClassPredictions, score: Values, efficiency: float) -> float:
    return roc(score, events.is_signal, events.weights).threshold_at(efficiency)


def _ranks(score: Values) -> Values:
    """Return the fraction of the events that have a smaller score, (events,)."""
    order = np.argsort(np.argsort(score, kind="stable"), kind="stable")
    return order / max(len(order) - 1, 1)


def _best_of_methods(points: Mapping[str, DecorrelationPoint]) -> list[str]:
    """Return the model of largest 1/JSD of every method, or all if they are few."""
    if len(points) <= MAX_DRAWN:
        return list(points)
    best: dict[str, str] = {}
    for name, point in points.items():
        known = best.setdefault(point.method, name)
        if point.inverse_jsd.value > points[known].inverse_jsd.value:
            best[point.method] = name
    return list(best.values())[:MAX_DRAWN]
