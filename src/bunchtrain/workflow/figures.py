"""All figures of a run, from its predictions."""

from __future__ import annotations

from collections.abc import Mapping

from bunchtrain.report.key_table import Entry, Published, published
from bunchtrain.statistics.classification import measure_classification, measure_sets
from bunchtrain.statistics.metrics import Metrics, average_seeds
from bunchtrain.statistics.regression import measure_regression
from bunchtrain.study import Ensemble, ModelConfig, Study, model_configs
from bunchtrain.targets import Target
from bunchtrain.workflow.independence import measure_independence
from bunchtrain.workflow.prediction_table import Predictions
from bunchtrain.workflow.working_points import measure_working_points


def measure(outcome: Predictions) -> dict[str, Metrics]:
    """Return network or ensemble → figure → {value, error}; with several targets `target:figure`.

    Figures of several trainings are the means over them.
    """
    figures = {}
    for name in outcome.taggers:
        found = [_of_training(outcome, training) for training in outcome.trainings(name)]
        figures[name] = average_seeds([one for one in found if one])
    return figures


def _of_training(outcome: Predictions, name: str) -> Metrics:
    several = len(outcome.study.targets) > 1
    figures: Metrics = {}
    for target in outcome.study.targets:
        classified = target in outcome.classifiers
        found = _classes(outcome, name, target) if classified else _values(outcome, name, target)
        prefix = f"{target}:" if several else ""
        figures |= {prefix + key: figure for key, figure in found.items()}
    return figures


def _classes(outcome: Predictions, member: str, target: str) -> Metrics:
    scores, wanted = outcome.scores(member, target), outcome.study.evaluation
    if scores is None:
        return {}
    names = list(outcome.study.targets[target].classes or {})
    beside = measure_independence(outcome, member, target)
    beside |= measure_working_points(outcome, member, target)
    beside |= measure_sets(outcome.sets(member, target), outcome.truth(target), outcome.weights)
    return beside | measure_classification(
        scores,
        outcome.truth(target),
        outcome.weights,
        Target(target, tuple(names), signal=wanted.signal if wanted.signal in names else None),
        wanted.efficiencies,
        wanted.mistags,
        wanted.luminosity_scale,
    )


def _values(outcome: Predictions, member: str, target: str) -> Metrics:
    expressions = outcome.study.targets[target].values or {}
    figures: Metrics = {}
    for number, name in enumerate(expressions):
        value, sigma = outcome.values(member, target, number)
        if value is None:
            continue
        found = measure_regression(
            value,
            outcome.truth(target, number),
            outcome.weights,
            sigma,
            outcome.intervals(member, target, number),
        )
        suffix = f"/{name}" if len(expressions) > 1 else ""
        figures |= {key + suffix: figure for key, figure in found.items()}
    return figures


def published_of(given: ModelConfig | Ensemble) -> Published | None:
    """Return the published figures that a study gives for a network or an ensemble."""
    figures = given.published
    if figures is None:
        return None
    return published(figures.source, figures.auc, figures.accuracy, figures.rejection)


def key_rows(study: Study, metrics: Mapping[str, Metrics]) -> list[Entry]:
    """Return what the key table shows of each network and ensemble."""
    known: dict[str, ModelConfig | Ensemble] = {**model_configs(study), **study.ensembles}
    return [
        Entry(name, figures, published_of(known[name]), known[name].note)
        for name, figures in metrics.items()
    ]
