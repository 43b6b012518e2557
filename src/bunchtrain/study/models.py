"""The networks of a study: each member is the study's own keys with its differences."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pydantic
from pydantic import BaseModel

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest
from bunchtrain.study.ensembles import check_ensembles, ensembles_of
from bunchtrain.study.schema import (
    ModelOverrides,
    Part,
    Published,
    Study,
    Target,
    Term,
    Training,
)


class ModelConfig(BaseModel):
    """One network with everything that makes it."""

    name: str
    representation: Part
    model: Part
    loss: list[Term]
    posterior: Part | None = None
    calibration: list[Part] = []
    training: Training
    seeds: int = 1
    note: str = ""
    method: str = ""
    strength: float | None = None
    published: Published | None = None


def model_configs(study: Study) -> dict[str, ModelConfig]:
    """Return the networks of a study by name.

    Raises StudyError if one lacks a representation or a model, or names an unknown target.
    """
    chosen = study.models or {study.model.name if study.model else "model": ModelOverrides()}
    return {name: _member(study, name, given) for name, given in chosen.items()}


def select_models(study: Study, names: Sequence[str]) -> Study:
    """Return the study with these networks alone, or as it is where `names` is empty.

    The name of a scan stands for all its networks. Raises StudyError, naming the nearest, if there
    is no such network.
    """
    known = model_configs(study)
    methods = {one.method for one in known.values()}
    for name in names:
        if name not in known and name not in methods:
            raise StudyError(f"there is no member '{name}'{nearest(name, known)}")
    if not names or not study.models:
        return study
    wanted = [n for name in names for n in known if name in (n, known[n].method)]
    chosen = {name: study.models[name] for name in dict.fromkeys(wanted)}
    kept = ensembles_of(study.ensembles, chosen)
    return study.model_copy(update={"models": chosen, "ensembles": kept})


def _member(study: Study, name: str, given: ModelOverrides) -> ModelConfig:
    where = f"models.{name}." if study.models else ""
    return ModelConfig(
        name=name,
        representation=_merged(
            study.representation, given.representation, f"{where}representation"
        ),
        model=_merged(study.model, given.model, f"{where}model"),
        loss=_loss(study, given.loss or study.loss, f"{where}loss"),
        posterior=_optional(study.posterior, given.posterior, f"{where}posterior"),
        calibration=study.calibration if given.calibration is None else given.calibration,
        training=_training(study.training, given.training, f"{where}training"),
        seeds=given.seeds or study.seeds,
        note=given.note.strip(),
        method=given.method or name,
        strength=given.strength,
        published=given.published,
    )


def _merged(base: Part | None, change: Part | None, where: str) -> Part:
    """A member that names the same part, or none, keeps the study's other options."""
    if change is None or base is None or change.name != base.name:
        chosen = change or base
    else:
        chosen = Part(name=base.name, **{**base.options, **change.options})
    if chosen is None:
        kind = where.rsplit(".", maxsplit=1)[-1]
        raise StudyError(f"key '{where}' is missing; `bunchtrain parts {kind}` lists the choices")
    return chosen


def _optional(base: Part | None, change: Part | None, where: str) -> Part | None:
    return _merged(base, change, where) if base or change else None


def _loss(study: Study, terms: list[Term] | None, where: str) -> list[Term]:
    if terms is None:
        return [_default_term(name, target) for name, target in study.targets.items()]
    for term in terms:
        if term.target is None and len(study.targets) > 1:
            choices = ", ".join(study.targets)
            raise StudyError(f"{where}: '{term.name}' must say its target: {choices}")
        if term.target is not None and term.target not in study.targets:
            hint = nearest(term.target, study.targets)
            raise StudyError(f"{where}: there is no target '{term.target}'{hint}")
    only = next(iter(study.targets))
    return [term.model_copy(update={"target": term.target or only}) for term in terms]


def _default_term(name: str, target: Target) -> Term:
    return Term(name="cross_entropy" if target.classes else "mean_squared_error", target=name)


def _training(base: Training, changes: dict[str, Any], where: str) -> Training:
    try:
        return Training(**{**base.model_dump(exclude_unset=True), **changes})
    except pydantic.ValidationError as problem:
        first = problem.errors()[0]
        key = ".".join([where, *map(str, first["loc"])])
        raise StudyError(f"{key}: {first['msg'].removeprefix('Value error, ')}") from None


def check_parts(study: Study) -> None:
    """Raise StudyError if a part or an option does not exist or has the wrong type."""
    parts.validate("source", study.source.name, study.source.options, "source")
    parts.validate("split", study.split.name, study.split.options, "split")
    for name, member in model_configs(study).items():
        where = f"models.{name}." if study.models else ""
        for kind in ("representation", "model", "posterior", "loss", "calibration"):
            chosen = getattr(member, kind) or []
            for part in chosen if isinstance(chosen, list) else [chosen]:
                parts.validate(kind, part.name, part.options, where + kind)
        engine = member.training.engine
        parts.validate("engine", engine.name, engine.options, f"{where}training.engine")
    for part in study.export:
        parts.validate("export", part.name, part.options, "export")
    for name, part in study.systematics.items():
        parts.validate("systematic", part.name, part.options, f"systematics.{name}")
    check_ensembles(study, model_configs(study))
    _check_classes(study)
    _check_fractions(study)
    measured = study.evaluation.decorrelation
    _check_spectator(study, "decorrelation.against", measured.against if measured else None)
    _check_spectator(study, "parameter", study.evaluation.parameter)


def _check_spectator(study: Study, key: str, name: str | None) -> None:
    if name is not None and name not in study.spectators:
        hint = nearest(name, study.spectators) or "; add it there"
        raise StudyError(f"evaluation.{key}: '{name}' is no spectator{hint}")


def _check_classes(study: Study) -> None:
    evaluation, reweight = study.evaluation, study.weights.reweight
    classed = {name: target.classes for name, target in study.targets.items() if target.classes}
    known = [label for classes in classed.values() for label in classes]
    named = {"evaluation.signal": evaluation.signal}
    named["weights.reweight.reference"] = reweight.reference if reweight else None
    for key, label in named.items():
        if label is not None and label not in known:
            hint = nearest(label, known) or f"; the classes are {', '.join(known) or 'none'}"
            raise StudyError(f"{key}: there is no class '{label}'{hint}")
    if evaluation.target is not None and evaluation.target not in study.targets:
        hint = nearest(evaluation.target, study.targets)
        raise StudyError(f"evaluation.target: there is no target '{evaluation.target}'{hint}")
    if study.weights.balance and not classed:
        raise StudyError("weights.balance needs a target with classes")


def _check_fractions(study: Study) -> None:
    evaluation = study.evaluation
    classed = {
        name: list(target.classes) for name, target in study.targets.items() if target.classes
    }
    if not evaluation.fractions or not classed:
        return
    names = classed.get(evaluation.target or "", next(iter(classed.values())))
    signal = evaluation.signal if evaluation.signal in names else names[-1]
    others = [name for name in names if name != signal]
    total = sum(evaluation.fractions.values())
    if set(evaluation.fractions) != set(others) or abs(total - 1) > 1e-6:
        raise StudyError(
            f"evaluation.fractions: give one for each of {', '.join(others)}, which add up to 1"
        )
