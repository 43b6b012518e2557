"""Checks of the stages of a study: their names, the stages that they read, and circles."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from graphlib import CycleError, TopologicalSorter

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.study.models import model_configs, training_names
from bunchtrain.study.schema import Study
from bunchtrain.study.stages import Result, RolloutStage

#: Kind of stage → what it gives.
GIVES: dict[str, Result] = {
    "source": "table", "prepare": "events", "train": "model", "predict": "table",
    "generate": "table", "transform": "table", "trained": "any", "rollout": "table",
    "repeat": "table", "export": "files",
}  # fmt: skip
_WORDS = {
    "table": "a table",
    "events": "prepared events",
    "rows": "a table or prepared events",
    "model": "a trained model",
    "files": "files",
}
#: What makes a result, for messages.
_MAKERS = {
    "table": "such as one of kind 'source', 'predict', 'generate' or 'transform'",
    "events": "'prepare', or one of kind 'prepare'",
    "rows": "such as one of kind 'source', 'prepare' or 'generate'",
    "model": "such as 'train', or one of kind 'train' or 'trained'",
    "files": "one of kind 'export'",
}


def default_stages(study: Study) -> dict[str, Result]:
    """Return stage → what it gives, of those that the keys of a study stand for."""
    found: dict[str, Result] = {"source": "table", "report": "files"}
    if models := list(model_configs(study)):
        found |= {"prepare": "events", "predictions": "table"}
        for kind in ("train", "predict"):
            found |= {f"{kind}.{name}": GIVES[kind] for name in models}
            if len(models) == 1:
                found[kind] = GIVES[kind]
    return found


def full_name(study: Study, name: str) -> str:
    """Return the name of a stage: `train.pfn` for `train` where the study has one model."""
    if name in ("train", "predict") and len(model_configs(study)) == 1:
        return f"{name}.{next(iter(model_configs(study)))}"
    return name


def stage_names(study: Study, name: str) -> list[str]:
    """Return the stages that a name stands for: one for each seed of a model that is trained."""
    name = full_name(study, name)
    kind, _, label = name.partition(".")
    model = model_configs(study).get(label) if kind == "train" else None
    return [f"{kind}.{one}" for one in training_names(study, model)] if model else [name]


def check_stages(study: Study) -> None:
    """Raise StudyError for a name of a stage that is taken, or an input that does not fit."""
    known = default_stages(study) | {n: GIVES[one.kind] for n, one in study.stages.items()}
    for name in study.stages:
        _check_name(study, name)
    for name, stage in study.stages.items():
        where = f"stages.{name}"
        for kind in ("source", "transform", "export"):
            if part := getattr(stage, kind):
                parts.validate(kind, part.name, part.options, f"{where}.{kind}")
        if stage.rollout:
            _check_rollout(stage.rollout, f"{where}.rollout")
        for key, other, wanted in stage.references():
            check_reference(known, f"{where}.{key}", other, wanted)
    for part in study.evaluation or ():
        if part.of is not None:
            where = f"evaluation '{parts.short_name(part.name)}': of"
            check_reference(known, where, part.of, "table")
    if study.source_stage is not None:
        check_reference(known, "source", study.source_stage, "table")
    _check_circles(study)


def _check_rollout(stage: RolloutStage, where: str) -> None:
    """Raise StudyError for an environment, a policy or an option of these that does not exist."""
    chosen = stage.environment
    options = {key: value for key, value in chosen.options.items() if key != "table"}
    parts.validate("environment", chosen.name, options, f"{where}.environment")
    for name, part in stage.named_policies().items():
        key = "policy" if stage.policy else f"policies.{name}"
        parts.validate("policy", part.name, part.options, f"{where}.{key}")


def check_reference(known: Mapping[str, Result], where: str, name: str, wanted: Result) -> None:
    """Raise StudyError if there is no stage of this name, or it gives something else.

    known   stage → what it gives.
    where   key of the study that names it, for the message.
    wanted  what is needed.
    """
    if name not in known:
        hint = nearest(name, known) or f"; there are {one_of(known)}"
        raise StudyError(f"{where}: there is no stage '{name}'{hint}")
    fits = {wanted, "any"} | ({"table", "events"} if wanted == "rows" else set())
    if known[name] not in fits:
        raise StudyError(
            f"{where}: needs a stage with {_WORDS[wanted]}, {_MAKERS[wanted]}, and '{name}' gives "
            f"{_WORDS[known[name]]}"
        )


def _check_name(study: Study, name: str) -> None:
    where, first = f"stages.{name}", name.partition(".")[0]
    if name in Study.model_fields and name != "source":
        raise StudyError(f"{where}: '{name}' is a key of the study; choose another name")
    if name in {*default_stages(study), "source", "prepare", "predictions", "report"} or (
        first in ("train", "predict", "evaluate", "export")
    ):
        raise StudyError(
            f"{where}: '{name}' is the name of a stage that every study has; choose another name"
        )


def _check_circles(study: Study) -> None:
    """Raise StudyError if a stage reads itself, through others."""
    graph = {
        name: {other for _, other, _ in one.references()} for name, one in study.stages.items()
    }
    graph |= {name: {"source"} for name in default_stages(study) if name != "source"}
    graph["source"] = {study.source_stage} if study.source_stage is not None else set()
    sort_names(graph)


def sort_names(inputs: Mapping[str, Collection[str]]) -> list[str]:
    """Return the names, each after its inputs, in the order given otherwise.

    inputs  name → names of its inputs.

    Raises StudyError for a circle, naming its stages.
    """
    try:
        TopologicalSorter(inputs).prepare()
    except CycleError as problem:
        circle = " → ".join(reversed(problem.args[1]))
        raise StudyError(f"stages: {circle} is a circle; change one of these inputs") from None
    found, pending = dict[str, None](), list(inputs)
    while pending:
        ready = next(one for one in pending if found.keys() >= set(inputs[one]))
        pending.remove(ready)
        found[ready] = None
    return list(found)
