"""Importance of the input features of trees and linear models."""

from __future__ import annotations

import numpy as np

from bunchtrain.errors import StudyError
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation, any_model_implements
from bunchtrain.methods.protocols import HasFeatureImportance
from bunchtrain.plots import MAX_IMPORTANCES, plot_importance
from bunchtrain.report.content import Plot
from bunchtrain.report.results import Results
from bunchtrain.study import Study


class FeatureImportance(Evaluation):
    """Importance of each input feature, e.g. the split gain, of trees and linear models."""

    def check(self, study: Study) -> None:
        """Raise StudyError if no model has an importance of its features."""
        if not any_model_implements(study, HasFeatureImportance):
            raise StudyError(
                f"evaluation '{self.name}' needs a model with feature importance, e.g. "
                "'boosted_trees'"
            )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return the plot of each model."""
        results = Results()
        for name, trained in run.models.items():
            model = trained.network.model
            if isinstance(model, HasFeatureImportance):
                names, values = trained.representation.names["table"], model.feature_importance()
                drawn = plot_importance(names, np.asarray(values))
                most = f"{MAX_IMPORTANCES} most important of {len(names)} inputs"
                which = "each input" if len(names) <= MAX_IMPORTANCES else f"the {most}"
                results.plots.append(Plot(f"Importance of {which}.", drawn, model=name))
        return results
