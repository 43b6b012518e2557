"""Checks of a study beyond its schema: parts and their options, ensembles, classes, columns."""

from __future__ import annotations

from collections.abc import Mapping

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest
from bunchtrain.study.evaluations import check_evaluations
from bunchtrain.study.models import ModelConfig, ensemble_models, model_configs
from bunchtrain.study.schema import Ensemble, Study


def check_study(study: Study) -> None:
    """Raise StudyError for a part, option, class or column of the study that does not exist."""
    parts.validate("source", study.source.name, study.source.options, "source")
    parts.validate("split", study.split.name, study.split.options, "split")
    configs = model_configs(study)
    for name, config in configs.items():
        where = f"models.{name}." if study.models else ""
        for kind in ("representation", "model", "posterior", "loss", "calibration"):
            chosen = getattr(config, kind) or []
            for part in chosen if isinstance(chosen, list) else [chosen]:
                parts.validate(kind, part.name, part.options, where + kind)
        engine = config.training.engine
        parts.validate("engine", engine.name, engine.options, f"{where}training.engine")
    for part in study.export:
        parts.validate("export", part.name, part.options, "export")
    for name, part in study.systematics.items():
        parts.validate("systematic", part.name, part.options, f"systematics.{name}")
    _check_classes(study)
    _check_ensembles(study, configs)
    check_evaluations(study)


def _check_classes(study: Study) -> None:
    reweight = study.weights.reweight
    known = [name for target in study.targets.values() for name in target.classes or ()]
    if reweight and reweight.reference not in known:
        hint = nearest(reweight.reference, known) or f"; the classes are {', '.join(known)}"
        raise StudyError(
            f"weights.reweight.reference: there is no class '{reweight.reference}'{hint}"
        )
    if study.weights.balance and not known:
        raise StudyError("weights.balance needs a target with classes")


def _check_ensembles(study: Study, models: Mapping[str, ModelConfig]) -> None:
    """Raise StudyError if an ensemble is not one of several models that classify."""
    classified = [name for name, target in study.targets.items() if target.classes]
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
