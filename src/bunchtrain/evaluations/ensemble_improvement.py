"""Improvement of ensembles over the best of their models, by a paired bootstrap."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from bunchtrain.errors import StudyError
from bunchtrain.evaluations._class_evaluation import ClassPredictions, FirstTargetEvaluation
from bunchtrain.evaluations._evaluation import EvaluatedRun
from bunchtrain.parts.ranges import InnerFractions
from bunchtrain.report.content import Table
from bunchtrain.report.labels import label
from bunchtrain.report.results import Results
from bunchtrain.statistics.bootstrap import RocMetric, paired_bootstrap
from bunchtrain.statistics.metrics import Measurement, auc, background_rejection, roc
from bunchtrain.study import Ensemble, Study, ensemble_models, evaluation_options, model_configs


class EnsembleImprovement(FirstTargetEvaluation):
    """Difference of AUC and rejections between each ensemble and the best model in it.

    Ensemble and models are compared by their first trainings, which the ensemble combines; the best
    model is chosen for each metric. The errors include the correlation of the scores.

    efficiencies  Signal efficiencies of the rejections; those of `classification` if None.
    """

    of_events = True

    def __init__(
        self, *, target: str | None = None, efficiencies: InnerFractions | None = None
    ) -> None:
        super().__init__(target=target)
        self.efficiencies = efficiencies

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target or if the study combines no models."""
        super().check(study)
        self.need_fractions("efficiencies", self.efficiencies or ())
        if not _combinations(study):
            raise StudyError(f"evaluation '{self.name}' needs an ensemble of several models")

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return the table of improvements; ensemble → metric → {best, value, error} as details.

        Raises DataError if a class has no events in the test set.
        """
        results = Results()
        for events in self.predictions(run):
            results.details = self._improvements(events)
            rows = [
                [ensemble, label(metric), entry["best"], str(Measurement.from_dict(entry))]
                for ensemble, found in results.details.items()
                for metric, entry in found.items()
            ]
            caption = (
                "Improvement of ensembles over the best of their models, first trainings; errors "
                "from a paired bootstrap of the test set."
            )
            results.tables = [Table(caption, ["Ensemble", "Metric", "Best model", "Change"], rows)]
        return results

    def _improvements(self, events: ClassPredictions) -> dict[str, dict[str, Any]]:
        study, truth, weights = events.run.study, events.is_signal, events.weights
        metrics, ensembles = self._metrics(study), _combinations(study)
        scores = {name: events.discriminant(p) for name, p in events.all_probabilities.items()}
        curves = {name: roc(score, truth, weights) for name, score in scores.items()}
        models = {
            name: ensemble_models(one, model_configs(study)) for name, one in ensembles.items()
        }
        best = {
            (name, metric): max(models[name], key=lambda model: measure(curves[model]))
            for name in ensembles
            for metric, measure in metrics.items()
        }
        compared = {name: scores[name] for name in [*ensembles, *best.values()]}
        replicas = paired_bootstrap(compared, truth, weights, metrics, seed=study.seed)
        found: dict[str, dict[str, Any]] = {}
        for (name, metric), model in best.items():
            value = metrics[metric](curves[name]) - metrics[metric](curves[model])
            differences = replicas[metric][name] - replicas[metric][model]
            change = Measurement(value, float(np.std(differences, ddof=1)))
            found.setdefault(name, {})[metric] = change.as_dict() | {"best": model}
        return found

    def _metrics(self, study: Study) -> dict[str, RocMetric]:
        efficiencies = self.efficiencies
        if efficiencies is None:
            efficiencies = evaluation_options(study, "classification")["efficiencies"]

        def rejection(efficiency: float) -> RocMetric:
            return lambda curve: background_rejection(curve, efficiency).value

        named = {f"rejection_{100 * e:g}": rejection(e) for e in efficiencies or ()}
        return {"auc": lambda curve: auc(curve).value, **named}


def _combinations(study: Study) -> Mapping[str, Ensemble]:
    return {name: one for name, one in study.ensembles.items() if not one.flattens}
