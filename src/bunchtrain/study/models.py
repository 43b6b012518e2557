"""Models of a study: each has the study's keys, changed by its own."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, Literal

import pydantic
from pydantic import BaseModel

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest
from bunchtrain.study.base import Part, Term
from bunchtrain.study.data_keys import TargetConfig
from bunchtrain.study.model_keys import Ensemble, ModelOverrides, Training
from bunchtrain.study.published import Published
from bunchtrain.study.schema import Study


class ModelConfig(BaseModel):
    """One model with all of its keys.

    kind   `model`, trained with losses on targets, or `method`, which has a loss of its own.
    model  the part of this kind.
    """

    name: str
    kind: Literal["model", "method"] = "model"
    representation: Part
    model: Part
    loss: list[Term]
    posterior: Part | None = None
    calibration: list[Part] = []
    training: Training
    seeds: int = 1
    note: str = ""
    curve: str = ""
    strength: float | None = None
    published: Published | None = None


def model_configs(study: Study) -> dict[str, ModelConfig]:
    """Return name → model of a study, {} for one whose stages alone have models.

    Raises StudyError if one lacks a representation or a model, or names an unknown target.
    """
    part = study.model or study.method
    if study.stages and not (study.models or part):
        return {}
    only = parts.short_name(part.name) if part else "model"
    chosen = study.models or {only: ModelOverrides()}
    return {name: _model_config(study, name, given) for name, given in chosen.items()}


def ensemble_models(ensemble: Ensemble, models: Collection[str]) -> list[str]:
    """Return the names of the models that an ensemble combines, all of the study's by default."""
    return list(ensemble.of or models)


def gives_probabilities(study: Study, estimator: str, target: str) -> bool:
    """Return whether the scores of a model or an ensemble for classes are probabilities.

    Lengths of capsules, and a score minus its cut, are none: they have no log loss and no
    calibration. The mean of scores is one only if all of them are.
    """
    configs = model_configs(study)
    if ensemble := study.ensembles.get(estimator):
        of = ensemble_models(ensemble, configs)
        is_fitted = ensemble.by == "trained"
        return not ensemble.flattens and (
            is_fitted or all(gives_probabilities(study, one, target) for one in of)
        )
    for model in configs.values():
        if estimator in training_names(study, model):
            terms = [parts.find("loss", term.name) for term in model.loss if term.target == target]
            return all(getattr(term, "gives_probabilities", True) for term in terms)
    return True


def training_names(study: Study, model: ModelConfig) -> dict[str, int]:
    """Return name → seed of each training of a model: `pfn`, `pfn_seed_2`, ….

    The first one has the model's own name. Plots, ensembles and predictions of files use it;
    metrics are the mean over all trainings.
    """
    later = range(study.seed + 1, study.seed + model.seeds)
    return {model.name: study.seed, **{f"{model.name}_seed_{seed}": seed for seed in later}}


def select_models(study: Study, names: Sequence[str]) -> Study:
    """Return the study with these models alone, or unchanged if `names` is empty.

    The name of a scan stands for all of its models. Ensembles that keep fewer than two models are
    left out. Raises StudyError, naming the nearest, if there is no such model.
    """
    known = model_configs(study)
    curves = {one.curve for one in known.values()}
    for name in names:
        if name not in known and name not in curves:
            raise StudyError(f"there is no model '{name}'{nearest(name, known)}")
    if not names or not study.models:
        return study
    wanted = [n for name in names for n in known if name in (n, known[n].curve)]
    chosen = {name: study.models[name] for name in dict.fromkeys(wanted)}
    ensembles = {}
    for name, ensemble in study.ensembles.items():
        kept = [model for model in ensemble_models(ensemble, chosen) if model in chosen]
        if len(kept) > (0 if ensemble.flattens else 1):
            ensembles[name] = ensemble.model_copy(update={"of": kept if ensemble.of else []})
    return study.model_copy(update={"models": chosen, "ensembles": ensembles})


def _model_config(study: Study, name: str, given: ModelOverrides) -> ModelConfig:
    where = f"models.{name}." if study.models else ""
    if given.method is not None or (study.method is not None and given.model is None):
        own: dict[str, Any] = {
            "kind": "method",
            "model": _merge(study.method, given.method, f"{where}method"),
            "loss": [],
        }
    else:
        own = {
            "model": _merge(study.model, given.model, f"{where}model"),
            "loss": _loss(study, given.loss or study.loss, f"{where}loss"),
            "posterior": _optional(study.posterior, given.posterior, f"{where}posterior"),
            "calibration": study.calibration if given.calibration is None else given.calibration,
        }
    return ModelConfig(
        name=name,
        representation=_merge(study.representation, given.representation, f"{where}representation"),
        **own,
        training=_training(study.training, given.training, f"{where}training"),
        seeds=given.seeds or study.seeds,
        note=given.note.strip(),
        curve=given.curve or name,
        strength=given.strength,
        published=given.published,
    )


def _merge(base: Part | None, change: Part | None, where: str) -> Part:
    """Return the part of a model, with the study's other options if it is the same part."""
    if change is None or base is None or change.name != base.name:
        chosen = change or base
    else:
        chosen = Part(name=base.name, **{**base.options, **change.options})
    if chosen is None:
        kind = where.rsplit(".", maxsplit=1)[-1]
        raise StudyError(f"key '{where}' is missing; `bunchtrain parts {kind}` lists the choices")
    return chosen


def _optional(base: Part | None, change: Part | None, where: str) -> Part | None:
    return _merge(base, change, where) if base or change else None


def _loss(study: Study, terms: list[Term] | None, where: str) -> list[Term]:
    if not study.targets:
        raise StudyError(
            "key 'targets' is missing: a model is trained on targets; give some, or train without "
            "them by a 'method' such as 'autoencoder' or 'normalizing_flow'"
        )
    if terms is None:
        terms = [_default_term(name, target) for name, target in study.targets.items()]
    for term in terms:
        if term.target is None and len(study.targets) > 1:
            choices = ", ".join(study.targets)
            raise StudyError(f"{where}: set 'target' for term '{term.name}': {choices}")
        if term.target is not None and term.target not in study.targets:
            hint = nearest(term.target, study.targets)
            raise StudyError(f"{where}: there is no target '{term.target}'{hint}")
    for name in study.targets:
        if study.targets[name].ids and name in {term.target or name for term in terms}:
            raise StudyError(f"targets.{name}: no loss predicts 'ids'; put the target into 'truth'")
    only = next(iter(study.targets))
    return [term.model_copy(update={"target": term.target or only}) for term in terms]


def _default_term(name: str, target: TargetConfig) -> Term:
    if target.assign:
        return Term(name="assignment_cross_entropy", target=name)
    return Term(name="mean_squared_error" if target.values else "cross_entropy", target=name)


def _training(base: Training, changes: dict[str, Any], where: str) -> Training:
    try:
        return Training(**{**base.model_dump(exclude_unset=True), **changes})
    except pydantic.ValidationError as problem:
        key, text = parts.describe_problem(problem, changes)
        raise StudyError(f"{where}.{key}: {text}" if key else f"{where}: {text}") from None
