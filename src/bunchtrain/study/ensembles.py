"""The ensembles of a study: which of its members each one combines."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import TYPE_CHECKING

from bunchtrain.errors import StudyError, nearest
from bunchtrain.study.schema import Ensemble, Study

if TYPE_CHECKING:
    from bunchtrain.study.models import ModelConfig


def combined(ensemble: Ensemble, members: Collection[str]) -> list[str]:
    """Return the names of the members of an ensemble, all of the study's where it names none."""
    return list(ensemble.of or members)


def ensembles_of(ensembles: dict[str, Ensemble], members: Collection[str]) -> dict[str, Ensemble]:
    """Return the ensembles of these members alone; those that keep fewer than two are left out."""
    found = {}
    for name, ensemble in ensembles.items():
        kept = [part for part in combined(ensemble, members) if part in members]
        if len(kept) > (0 if ensemble.flattens else 1):
            found[name] = ensemble.model_copy(update={"of": kept if ensemble.of else []})
    return found


def check_ensembles(study: Study, members: Mapping[str, ModelConfig]) -> None:
    """Raise StudyError if an ensemble is not one of several members that classify."""
    classified = [name for name, target in study.targets.items() if target.classes]
    for name, ensemble in study.ensembles.items():
        where = f"ensembles.{name}"
        if name in members:
            raise StudyError(f"{where}: a member has this name, too; choose another")
        for part in ensemble.of:
            if part not in members:
                hint = nearest(part, members) or f"; the members are {', '.join(members)}"
                raise StudyError(f"{where}.of: there is no member '{part}'{hint}")
        if ensemble.flattens:
            _check_flattened(study, ensemble, where)
        elif len(set(combined(ensemble, members))) < max(2, len(ensemble.of)):
            raise StudyError(f"{where}.of: an ensemble needs two or more different members")
        if not classified:
            raise StudyError(f"{where}: an ensemble needs a target with classes")
        for part in combined(ensemble, members):
            aims = {term.target for term in members[part].loss}
            if lacking := [target for target in classified if target not in aims]:
                raise StudyError(f"{where}.of: '{part}' has no term on target '{lacking[0]}'")


def _check_flattened(study: Study, ensemble: Ensemble, where: str) -> None:
    if len(ensemble.of) != 1:
        raise StudyError(f"{where}.of: '{ensemble.by}' changes the score of one member; name one")
    if ensemble.against not in study.spectators:
        hint = nearest(str(ensemble.against), study.spectators) or "; add it there"
        raise StudyError(f"{where}.against: '{ensemble.against}' is no spectator{hint}")
