"""Predicted uncertainty of classifiers: σ of the probability over the posterior."""

from __future__ import annotations

from collections.abc import Iterator

from bunchtrain.errors import StudyError
from bunchtrain.evaluations._class_evaluation import ClassEvaluation, ClassPredictions
from bunchtrain.evaluations._evaluation import any_model_implements
from bunchtrain.methods.protocols import HasPosterior
from bunchtrain.plots import plot_uncertainty
from bunchtrain.report.content import Plot
from bunchtrain.study import Study, model_configs
from bunchtrain.tables.predictions import Values


class PredictedUncertainty(ClassEvaluation):
    """Standard deviation of the signal's probability against its mean (arXiv:1904.10004)."""

    def check(self, study: Study) -> None:
        """Raise StudyError for an unknown target, or if no model has a posterior."""
        super().check(study)
        posteriors = [config.posterior for config in model_configs(study).values()]
        if not any(posteriors) and not any_model_implements(study, HasPosterior):
            raise StudyError(f"evaluation '{self.name}' needs a model with a 'posterior'")

    def plots(self, events: ClassPredictions) -> Iterator[Plot]:
        """Yield mean σ in bins of the mean probability, of all models that predict σ."""
        table, target = events.run.predictions, events.target
        found: dict[str, tuple[Values, Values]] = {}
        for name in table.models:
            sigma = table.sigma(name, target.name, events.signal)
            probabilities = events.probabilities(name)
            if probabilities is not None and sigma is not None:
                found[name] = probabilities[:, target.signal_index], sigma
        if found:
            label = f"Mean probability of {events.signal}"
            drawn = plot_uncertainty(found, label, events.weights)
            yield Plot("Standard deviation of the probability over the posterior.", drawn)
