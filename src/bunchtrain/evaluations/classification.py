"""Classification: ROC, accuracy, rejections, calibration, significances and conformal sets."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain

from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.evaluations._class_evaluation import ClassEvaluation, ClassPredictions
from bunchtrain.evaluations._evaluation import correlated_rows
from bunchtrain.parts.ranges import InnerFraction, InnerFractions
from bunchtrain.plots import MAX_LEGEND, plot_calibration, plot_confusion, plot_roc, plot_scores
from bunchtrain.report.content import Plot
from bunchtrain.report.key_table import published_metrics, published_points
from bunchtrain.statistics.classification import (
    are_probabilities,
    measure_classification,
    measure_sets,
)
from bunchtrain.statistics.metrics import Metrics, calibration, confusion_matrix
from bunchtrain.study import Study
from bunchtrain.tables.predictions import Values

#: Metrics that are defined for probabilities only, not for other scores.
OF_PROBABILITIES = ("calibration_error", "log_loss")


class Classification(ClassEvaluation):
    """Metrics, ROC, reliability diagram, score distributions and confusion matrices.

    efficiencies  Signal efficiencies at which 1/ε_B is quoted.
    mistags       Background efficiencies at which ε_S is quoted.
    pairs         Two classes each, of which the first is the signal and the second the background
                  of `rejection_50/electron_against_pion` and the like, by the ratio of their
                  scores.
    """

    def __init__(
        self,
        *,
        target: str | None = None,
        efficiencies: InnerFractions = (0.3, 0.5),
        mistags: tuple[InnerFraction, ...] = (0.01,),
        pairs: tuple[tuple[str, str], ...] = (),
    ) -> None:
        super().__init__(target=target)
        self.efficiencies, self.mistags, self.pairs = efficiencies, mistags, pairs

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or an efficiency outside (0, 1)."""
        super().check(study)
        self.need_fractions("efficiencies", self.efficiencies)
        self.need_fractions("mistags", self.mistags)
        for target in self.targets(study) if self.pairs else ():
            for name in chain(*self.pairs):
                if name not in target.classes:
                    hint = nearest(name, target.classes) or f"; {one_of(target.classes)} are"
                    raise StudyError(
                        f"evaluation '{self.name}': pairs: '{name}' is no class of target "
                        f"'{target.name}'{hint}"
                    )
            if any(first == second for first, second in self.pairs):
                raise StudyError(f"evaluation '{self.name}': pairs needs two different classes")

    def measure(self, events: ClassPredictions, training: str, probabilities: Values) -> Metrics:
        """Return the metrics of conformal sets, where there are any, and of the classifier."""
        truth, weights, run = events.truth, events.weights, events.run
        sets = run.predictions.sets(training, events.target.name)
        scale = run.study.weights.luminosity_scale / run.folds
        found = measure_sets(sets, truth, weights) | measure_classification(
            probabilities,
            truth,
            weights,
            events.target,
            self.efficiencies,
            self.mistags,
            scale,
            self.pairs,
        )
        if not events.are_probabilities(training):
            found = {name: entry for name, entry in found.items() if name not in OF_PROBABILITIES}
        return found

    def plots(self, events: ClassPredictions) -> Iterator[Plot]:
        """Yield ROC and reliability diagram of all models, then the plots of each."""
        curves = {name: events.roc(values) for name, values in events.all_probabilities.items()}
        if not curves:
            return
        points = published_points(published_metrics(events.run.study), events.prefix)
        many, signal = len(curves) > MAX_LEGEND, events.target.signal_index
        correlated = correlated_rows(events.table) is not None
        bands = "" if many or correlated else "; bands are one standard deviation"
        yield Plot(
            f"Background rejection against signal efficiency{bands}.",
            plot_roc(curves, points, events.signal, ", ".join(events.backgrounds), correlated),
            wide=many,
        )
        chosen = f", of the {MAX_LEGEND} of largest AUC" if many else ""
        curves_of_p = {
            name: calibration(values[:, signal], events.is_signal, events.weights)
            for name, values in events.best_probabilities().items()
            if are_probabilities(values) and events.are_probabilities(name)
        }
        if curves_of_p:
            yield Plot(
                f"Fraction of events that are {events.signal}, against their probability{chosen}.",
                plot_calibration(curves_of_p),
            )
        for name in events.run.predictions.models:
            yield from self._model_plots(events, name)

    def _model_plots(self, events: ClassPredictions, name: str) -> Iterator[Plot]:
        values, classes = events.probabilities(name), events.target.classes
        if values is None:
            return
        truth, weights = events.truth, events.weights
        kind = "Probability" if are_probabilities(values) else "Score"
        score, label = values[:, events.target.signal_index], f"{kind} of {events.signal}"
        drawn = plot_scores(score, truth, classes, weights, label=label)
        yield Plot("Score on the test set.", drawn, model=name)
        drawn = plot_confusion(*confusion_matrix(values, truth, weights), classes)
        yield Plot("True against predicted class.", drawn, model=name)
