"""The study of one repetition: the repeated stages with its seeds, values and fold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pydantic

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.methods.task import derive_seed
from bunchtrain.study import Study, model_configs
from bunchtrain.study.base import Part
from bunchtrain.study.derived import table_part
from bunchtrain.study.model_keys import ModelOverrides
from bunchtrain.study.repeats import RepeatStage, Repetition, set_option
from bunchtrain.study.stage_checks import default_stages, full_name
from bunchtrain.study.stages import PredictStage, PrepareStage, StageConfig, TrainStage

#: Kinds of stages that can be repeated.
_KINDS = ("transform", "prepare", "train", "predict", "generate", "source")


def with_default_stages(study: Study, name: str) -> Study:
    """Return the study with the stages `prepare`, `train` and `predict` that a stage repeats.

    They are stages of the key `stages` there, with the study's evaluations of their predictions.

    Raises StudyError if a repeated training starts from the model of another run.
    """
    given: RepeatStage = study.stages[name].options
    run = [full_name(study, one) for one in given.run]
    default = {one: _default_stage(study, one, f"stages.{name}.repeat.run") for one in run}
    added = {one: stage for one, stage in default.items() if stage is not None}
    if not added:
        return study
    changed = StageConfig(repeat=given.model_copy(update={"run": run}))
    predicted = [one for one in added if added[one].kind == "predict"]
    evaluations = [
        part.model_copy(update={"of": one})
        for part in study.evaluation or ()
        for one in predicted
        if part.of is None
    ]
    updates = {"stages": {**study.stages, **added, name: changed}}
    evaluated = [*(study.evaluation or ()), *evaluations]
    return study.model_copy(update={**updates, "evaluation": evaluated})


def _default_stage(study: Study, name: str, where: str) -> StageConfig | None:
    """Return a stage of the default graph as one of the key `stages`, None for another one."""
    if name in study.stages or name not in default_stages(study):
        return None
    kind, _, label = name.partition(".")
    if name == "prepare":
        return StageConfig(prepare=PrepareStage())
    if kind == "predict":
        return StageConfig(predict=PredictStage(of=[f"train.{label}"]))
    if kind != "train":
        return None
    if model_configs(study)[label].training.start is not None:
        raise StudyError(
            f"{where}: '{name}' starts from a model of another run and cannot be repeated; repeat "
            "a stage of kind 'train' that starts from one of kind 'trained'"
        )
    own = study.models.get(label, ModelOverrides()).model_dump(exclude_unset=True)
    return StageConfig(train=TrainStage(of="prepare", **own))


def check_repeat(study: Study, name: str) -> None:
    """Raise StudyError if a stage `repeat` names a stage or a key that there is not."""
    given: RepeatStage = study.stages[name].options
    where = f"stages.{name}.repeat"
    for one in given.run:
        if one not in study.stages:
            known = [*study.stages, *default_stages(study)]
            hint = nearest(one, known) or f"; there are {one_of(known)}"
            raise StudyError(f"{where}.run: there is no stage '{one}' in 'stages'{hint}")
        if study.stages[one].kind not in _KINDS:
            raise StudyError(
                f"{where}.run: stage '{one}' of kind '{study.stages[one].kind}' cannot be repeated"
            )
    for key in given.scan:
        stage, path = _stage_of(given.run, key, f"{where}.scan")
        _check_option(study.stages[stage], path, f"{where}.scan")
    if given.over == "folds":
        fold_count(study, name)


def fold_count(study: Study, name: str) -> int:
    """Return the number of folds of a stage `repeat`; raises StudyError without a k-fold split."""
    given: RepeatStage = study.stages[name].options
    where = f"stages.{name}.repeat"
    events = [one for one in given.run if study.stages[one].kind == "prepare"]
    if not events:
        raise StudyError(
            f"{where}: 'over: folds' needs a stage of kind 'prepare' with the split 'kfold' in "
            f"'run'"
        )
    split = study.stages[events[0]].options.split or study.split
    if split.name != "kfold":
        raise StudyError(
            f"{where}: 'over: folds' needs the split 'kfold', and '{events[0]}' has '{split.name}'"
        )
    folds = parts.validate("split", split.name, split.options, f"stages.{events[0]}.split")
    return int(folds["folds"])


def repeated_study(study: Study, name: str, one: Repetition, run: Path, scratch: Path) -> Study:
    """Return the study of a repetition, with the repeated stages alone.

    study    of the run.
    name     stage of kind `repeat`.
    one      the repetition.
    run      folder of the run, where the tables are that repeated stages read.
    scratch  folder for the events of the repetition.
    """
    given: RepeatStage = study.stages[name].options
    stages: dict[str, StageConfig] = {}
    for stage in given.run:
        _add_outside(stages, study, stage, given.run, run)
        stages[stage] = _config(study, stage, given, one, f"stages.{name}.repeat")
    reseeded = given.over in ("toys", "seeds", "signals")
    changes: dict[str, Any] = {"stages": stages, "models": {}}
    if reseeded:
        changes["seed"] = derive_seed(study.seed, one.toy)
    if any(study.stages[stage].kind == "prepare" for stage in given.run):
        changes["storage"] = study.storage.model_copy(update={"folder": str(scratch)})
    evaluated = [p for p in study.evaluation or () if getattr(p, "of", None) in given.run]
    return study.model_copy(update={**changes, "evaluation": evaluated, "export": []})


def _add_outside(
    stages: dict[str, StageConfig], study: Study, name: str, repeated: Sequence[str], run: Path
) -> None:
    """Add what a stage reads of stages that are not repeated: tables are files of the run."""
    for _, other, wanted in study.stages[name].references():
        if other in repeated or other in stages or other not in study.stages:
            continue
        if wanted == "table":
            part = table_part(study, other, run)
            stages[other] = StageConfig(source=Part(name=part.name, **part.options))
        else:
            stages[other] = study.stages[other]
            _add_outside(stages, study, other, repeated, run)


def _config(
    study: Study, stage: str, given: RepeatStage, one: Repetition, where: str
) -> StageConfig:
    """Return a repeated stage with the seed, the values and the fold of a repetition."""
    config = study.stages[stage]
    plain = config.model_dump(mode="json", exclude_unset=True)
    kind = config.kind
    if given.over in ("toys", "signals") and _has_seed(config):
        seed = int(plain[kind].get("seed", 1))
        plain = set_option(plain, (kind, "seed"), derive_seed(seed, one.toy))
    if given.over == "folds" and kind == "prepare":
        split = (config.options.split or study.split).model_dump(mode="json")
        plain = set_option(plain, (kind, "split"), {**split, "fold": one.toy})
    for key, value in one.values.items():
        owner, path = _stage_of(given.run, key, f"{where}.scan")
        if owner == stage:
            whole = int(value) if value == int(value) else value
            plain = set_option(plain, path, whole)
    try:
        return StageConfig.model_validate(plain)
    except pydantic.ValidationError as problem:
        key, text = parts.describe_problem(problem, plain)
        raise StudyError(f"{where}: stage '{stage}', {key}: {text}") from None


def _has_seed(config: StageConfig) -> bool:
    """Return whether a stage draws random numbers with a seed of its own."""
    if config.kind == "generate":
        return True
    if config.kind in ("transform", "source"):
        part = config.options
        return "seed" in parts.options(parts.find(config.kind, part.name))
    return False


def _stage_of(stages: Sequence[str], key: str, where: str) -> tuple[str, list[str]]:
    """Return the stage of a key and the path below it; raises StudyError for an unknown stage."""
    owner = next((one for one in stages if key.startswith(f"{one}.")), None)
    if owner is None:
        raise StudyError(
            f"{where}: '{key}' begins with no stage of 'run' ({one_of(stages)}); give e.g. "
            f"'{stages[0]}.transform.number'"
        )
    return owner, key[len(owner) + 1 :].split(".")


def _check_option(config: StageConfig, path: Sequence[str], where: str) -> None:
    """Raise StudyError, naming the nearest, if a stage has no such option."""
    kind = config.kind
    if len(path) < 2 or path[0] != kind:
        known = nearest(path[0], [kind]) or f"; it is of kind '{kind}'"
        raise StudyError(f"{where}: '{'.'.join(path)}' is no option of the stage{known}")
    known_options: Mapping[str, Any]
    if kind in ("transform", "source"):
        known_options = parts.options(parts.find(kind, config.options.name))
    else:
        known_options = type(config.options).model_fields
    if path[1] not in known_options:
        hint = nearest(path[1], known_options)
        raise StudyError(f"{where}: there is no option '{path[1]}' of '{kind}'{hint}")
