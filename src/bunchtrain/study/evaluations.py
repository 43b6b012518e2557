"""Evaluations of a study: the listed or default ones, and those that describe every run."""

from __future__ import annotations

from typing import Any

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.study.base import EvaluationPart, Part
from bunchtrain.study.models import model_configs
from bunchtrain.study.overrides import default_evaluations
from bunchtrain.study.schema import Study
from bunchtrain.study.stage_checks import full_name

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
    """Return the listed or default evaluations of a study, then the descriptive ones.

    Those of stages are left out.
    """
    if not model_configs(study):
        return []
    listed = _evaluations(study)
    names = {part.name for part in listed}
    described = [Part(name=name) for name in DESCRIPTIVE if name not in names]
    return [*listed, *(part for part in described if _is_defined(study, part))]


def evaluation_options(study: Study, name: str) -> dict[str, Any]:
    """Return all options of the first evaluation of this name, the part's defaults if none is."""
    given = next((part.options for part in _evaluations(study) if part.name == name), {})
    return parts.validate("evaluation", name, given, "evaluation")


def stage_evaluations(study: Study) -> dict[str, EvaluationPart]:
    """Return key → evaluation of a stage's predictions or table, in the order of the study.

    The key is `<stage>.<name>`, `<stage>.<name>_2` the second time.
    """
    found = dict[str, EvaluationPart]()
    for part in study.evaluation or ():
        if part.of is not None:
            key = f"{part.of}.{parts.short_name(part.name)}"
            count = sum(one.rpartition("_")[0] == key or one == key for one in found) + 1
            found[f"{key}_{count}" if count > 1 else key] = part
    return found


def stage_prefixes(study: Study) -> dict[str, str]:
    """Return key of an evaluation of a stage → what precedes the names of its models in metrics.

    It is `<stage>.` where the same evaluation of another stage is about one of these models.
    """
    every = stage_evaluations(study)
    found = dict.fromkeys(every, "")
    for key, part in every.items():
        others = {one.of for one in every.values() if one.name == part.name} - {part.of}
        own = _evaluated(study, str(part.of))
        if any(own & _evaluated(study, str(other)) for other in others):
            found[key] = f"{part.of}."
    return found


def _evaluated(study: Study, name: str) -> set[str]:
    """Return the models or policies that a stage is about."""
    stage = study.stages.get(name)
    if stage is None:
        return set()
    if stage.predict is not None:
        return {full_name(study, one) for one in stage.predict.of}
    if stage.rollout is not None:
        return set(stage.rollout.named_policies())
    inner = stage.repeat.run if stage.repeat is not None else []
    return set().union(*(_evaluated(study, one) for one in inner))


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


def _evaluations(study: Study) -> list[EvaluationPart]:
    """Return the listed or default evaluations of the study's own models."""
    if not model_configs(study):
        return []
    if study.evaluation is not None:
        return [part for part in study.evaluation if part.of is None]
    targets = study.model_dump(include={"targets"}, exclude_none=True)["targets"]
    return [EvaluationPart(name=name) for name in default_evaluations(targets)]


def _is_defined(study: Study, part: Part) -> bool:
    try:
        parts.build("evaluation", part.name, part.options).check(study)
    except StudyError:
        return False
    return True
