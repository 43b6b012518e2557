"""Evaluations of a study: the listed or default ones, and those that describe every run."""

from __future__ import annotations

from typing import Any

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.study.base import Part
from bunchtrain.study.overrides import default_evaluations
from bunchtrain.study.schema import Study

#: Evaluations without required options that are made in every run for which they are defined.
DESCRIPTIVE = (
    "anomaly_detection",
    "generated_events",
    "predicted_uncertainty",
    "model_comparison",
    "ensemble_improvement",
    "training_curves",
    "feature_importance",
    "input_distributions",
    "mean_images",
    "capsules",
    "fixed_point_range",
    "firmware_resources",
)


def all_evaluations(study: Study) -> list[Part]:
    """Return the listed or default evaluations of a study, then the descriptive ones."""
    listed = _evaluations(study)
    names = {part.name for part in listed}
    described = [Part(name=name) for name in DESCRIPTIVE if name not in names]
    return [*listed, *(part for part in described if _is_defined(study, part))]


def evaluation_options(study: Study, name: str) -> dict[str, Any]:
    """Return all options of the first evaluation of this name, the part's defaults if none is."""
    given = next((part.options for part in _evaluations(study) if part.name == name), {})
    return parts.validate("evaluation", name, given, "evaluation")


def check_evaluations(study: Study) -> None:
    """Raise StudyError if an evaluation of the study cannot be made or is listed twice."""
    seen: list[tuple[str, dict[str, Any]]] = []
    for part in _evaluations(study):
        options = parts.validate("evaluation", part.name, part.options, "evaluation")
        if (part.name, options) in seen:
            raise StudyError(
                f"evaluation: '{part.name}' is listed twice with the same options; remove one"
            )
        seen.append((part.name, options))
        parts.build("evaluation", part.name, part.options, where="evaluation").check(study)


def _evaluations(study: Study) -> list[Part]:
    if study.evaluation is not None:
        return study.evaluation
    targets = study.model_dump(include={"targets"}, exclude_none=True)["targets"]
    return [Part(name=name) for name in default_evaluations(targets)]


def _is_defined(study: Study, part: Part) -> bool:
    try:
        parts.build("evaluation", part.name, part.options).check(study)
    except StudyError:
        return False
    return True
