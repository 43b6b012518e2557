"""All figures of a run, from its predictions."""

from __future__ import annotations

from typing import Any

from bunchtrain.evaluation.classification import measure_classification
from bunchtrain.evaluation.key_table import Published, published
from bunchtrain.evaluation.regression import measure_regression
from bunchtrain.runs.outcome import Outcome
from bunchtrain.study import Member

Metrics = dict[str, dict[str, Any]]


def measure(outcome: Outcome) -> dict[str, Metrics]:
    """Return network → figure → {value, error}; with several targets as `target:figure`."""
    return {member: _of_member(outcome, member) for member in outcome.members}


def _of_member(outcome: Outcome, member: str) -> Metrics:
    several = len(outcome.study.targets) > 1
    figures: Metrics = {}
    for target in outcome.study.targets:
        classified = target in outcome.classifiers
        found = (
            _classes(outcome, member, target) if classified else _values(outcome, member, target)
        )
        prefix = f"{target}:" if several else ""
        figures |= {prefix + name: figure for name, figure in found.items()}
    return figures


def _classes(outcome: Outcome, member: str, target: str) -> Metrics:
    scores, wanted = outcome.scores(member, target), outcome.study.evaluation
    if scores is None:
        return {}
    names = list(outcome.study.targets[target].classes or {})
    return measure_classification(
        scores,
        outcome.truth(target),
        outcome.weights,
        names,
        wanted.signal if wanted.signal in names else None,
        wanted.efficiencies,
        wanted.mistags,
        wanted.luminosity_scale,
    )


def _values(outcome: Outcome, member: str, target: str) -> Metrics:
    expressions = outcome.study.targets[target].values or {}
    figures: Metrics = {}
    for number, name in enumerate(expressions):
        value, sigma = outcome.values(member, target, number)
        if value is None:
            continue
        found = measure_regression(value, outcome.truth(target, number), outcome.weights, sigma)
        suffix = f"/{name}" if len(expressions) > 1 else ""
        figures |= {key + suffix: figure for key, figure in found.items()}
    return figures


def published_of(member: Member) -> Published | None:
    """Return the published figures that a study gives for a network."""
    given = member.published
    if given is None:
        return None
    return published(given.source, given.auc, given.accuracy, given.rejection)
