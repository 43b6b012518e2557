"""Checks of a study beyond its schema: parts and their options, ensembles, classes, columns."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from keyword import iskeyword
from pathlib import Path

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest
from bunchtrain.study.derived import derived_study, stage_model
from bunchtrain.study.evaluations import check_evaluations
from bunchtrain.study.model_keys import Ensemble
from bunchtrain.study.models import ModelConfig, ensemble_models, model_configs, training_names
from bunchtrain.study.schema import Study
from bunchtrain.study.stage_checks import check_stages


def check_study(study: Study) -> None:
    """Raise StudyError for a part, option, class or column of the study that does not exist."""
    if study.source_stage is None:
        parts.validate("source", study.source.name, study.source.options, "source")
    parts.build("split", study.split.name, study.split.options, where="split")
    configs = model_configs(study)
    for name, config in configs.items():
        where = f"models.{name}." if study.models else ""
        for key in ("representation", "model", "posterior", "loss", "calibration"):
            chosen = getattr(config, key) or []
            kind = config.kind if key == "model" else key
            for part in chosen if isinstance(chosen, list) else [chosen]:
                parts.validate(kind, part.name, part.options, where + kind)
        engine = config.training.engine
        parts.validate("engine", engine.name, engine.options, f"{where}training.engine")
    parts.validate("executor", study.executor.name, study.executor.options, "executor")
    for part in study.export:
        parts.validate("export", part.name, part.options, "export")
    for name, part in study.systematics.items():
        parts.build("systematic", part.name, part.options, where=f"systematics.{name}")
    for name in study.conditions:
        if not name.isidentifier() or iskeyword(name) or name in ("pi", "inf", "nan"):
            raise StudyError(f"conditions: '{name}' is no name that expressions can use; rename it")
    _check_names(study, configs)
    _check_classes(study)
    _check_ensembles(study, configs)
    check_evaluations(study)
    check_stages(study)
    for name, stage in study.stages.items():
        if stage.train:
            _check_training(study, name)


def _check_training(study: Study, name: str) -> None:
    """Raise StudyError if the keys of a stage of kind `train` do not fit together."""
    made = stage_model(study, name)
    try:
        check_study(derived_study(study, made.events, {name: made.given}, Path()))
    except StudyError as problem:
        text = str(problem).removeprefix(f"models.{name}.")
        raise StudyError(f"stages.{name}.train: {text}") from None


def check_used(study: Study) -> None:
    """Raise StudyError for a key next to `models` that each model replaces by its own."""
    configs = model_configs(study).values() if study.models else ()
    for kind in ("representation", "model", "method", "posterior"):
        given = getattr(study, kind)
        if given is None or not configs:
            continue
        try:
            parts.find(kind, given.name)
        except StudyError as problem:
            raise StudyError(f"{kind}: {problem}") from None
        used = [c.model for c in configs if c.kind == kind]
        used += [getattr(c, kind) for c in configs if kind not in ("model", "method")]
        if given.name not in {part.name for part in used if part}:
            raise StudyError(
                f"{kind}: no model uses '{parts.short_name(given.name)}', because each of 'models' "
                f"has its own; change 'models.{next(iter(study.models))}.{kind}', or remove the key"
            )


def check_predicted(study: Study) -> None:
    """Raise StudyError for a target that no model predicts, and for keys that no method uses."""
    if not study.models and study.model and study.method:
        raise StudyError("give 'model' or 'method', not both; several are listed in 'models'")
    configs = model_configs(study)
    predicted = {term.target for config in configs.values() for term in config.loss}
    for name in study.targets:
        if name not in predicted:
            raise StudyError(
                f"targets.{name}: no model predicts it; add a term of the loss, or put it into "
                "'truth', which only evaluations use"
            )
    trained = any(config.kind == "model" for config in configs.values())
    for key in ("loss", "posterior", "calibration"):
        if getattr(study, key) and not trained:
            raise StudyError(f"{key}: a method has its own loss and does not use this; remove it")
        for name, one in study.models.items():
            if getattr(one, key) and configs[name].kind == "method":
                raise StudyError(
                    f"models.{name}.{key}: a method has its own loss and does not use this; "
                    "remove it"
                )


def _check_names(study: Study, models: Mapping[str, ModelConfig]) -> None:
    """Raise StudyError if two trainings, or two columns of the predictions, get the same name."""
    trainings = [name for model in models.values() for name in training_names(study, model)]
    trainings += study.ensembles
    if name := _repeated(name.lower() for name in trainings):
        raise StudyError(
            f"models: two models, ensembles or trainings with different seeds would have the name "
            f"'{name}'; rename one of them"
        )
    if name := _repeated([*study.targets, *study.truth]):
        raise StudyError(f"truth.{name}: a target has the same name; rename one of them")
    truth = [
        column
        for name, target in (study.targets | study.truth).items()
        for column in (
            [f"{name}_{i}" for i in range(len(target.labels))]
            if target.values
            else [f"{name}_{role}" for role in target.labels]
            if target.assign
            else [name]
        )
    ]
    several = len(study.targets) > 1
    labels = [
        f"{name}_{label}" if several else label
        for name, target in study.targets.items()
        for label in target.labels
    ]
    predicted = [f"{training}_{label}" for training in trainings for label in labels]
    if name := _repeated(["entry", "weight", *truth, *study.spectators, *predicted]):
        raise StudyError(
            f"two columns of the predictions would have the name '{name}': rename a spectator, "
            "target, model or class"
        )


def _repeated(names: Iterable[str]) -> str | None:
    return next((name for name, count in Counter(names).items() if count > 1), None)


def _check_classes(study: Study) -> None:
    reweight = study.weights.reweight
    targets = (study.targets | study.truth).values()
    known = [name for target in targets for name in target.classes or () if target.on == "event"]
    if reweight and reweight.reference not in known:
        hint = nearest(reweight.reference, known) or f"; the classes are {', '.join(known)}"
        raise StudyError(
            f"weights.reweight.reference: there is no class '{reweight.reference}'{hint}"
        )
    if study.weights.balance and not known:
        raise StudyError("weights.balance needs a target with classes")


def _check_ensembles(study: Study, models: Mapping[str, ModelConfig]) -> None:
    """Raise StudyError if an ensemble is not one of several models that classify."""
    classified = [name for name, one in study.targets.items() if one.classes and one.on == "event"]
    for name, ensemble in study.ensembles.items():
        where = f"ensembles.{name}"
        if name in models:
            raise StudyError(f"{where}: a model has the same name; choose another")
        for part in ensemble.of:
            if part not in models:
                hint = nearest(part, models) or f"; the models are {', '.join(models)}"
                raise StudyError(f"{where}.of: there is no model '{part}'{hint}")
        if ensemble.flattens:
            _check_flattened(study, ensemble, where)
        elif len(set(ensemble_models(ensemble, models))) < max(2, len(ensemble.of)):
            raise StudyError(f"{where}.of: an ensemble needs two or more different models")
        if not classified:
            raise StudyError(f"{where}: an ensemble needs a target with classes")
        for part in ensemble_models(ensemble, models):
            targets = {term.target for term in models[part].loss}
            if lacking := [target for target in classified if target not in targets]:
                raise StudyError(f"{where}.of: '{part}' has no term on target '{lacking[0]}'")


def _check_flattened(study: Study, ensemble: Ensemble, where: str) -> None:
    if len(ensemble.of) != 1:
        raise StudyError(f"{where}.of: '{ensemble.by}' changes the score of one model; name one")
    if ensemble.against not in study.spectators:
        hint = nearest(str(ensemble.against), study.spectators) or "; add it there"
        raise StudyError(
            f"{where}.against: '{ensemble.against}' is not listed in 'spectators'{hint}"
        )
