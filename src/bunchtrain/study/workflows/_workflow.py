"""Base of workflows, and their stages in place of them in a study."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.study.base import Part

#: Keys of stages that name others.
_REFERENCES = ("of", "on", "condition")


class Workflow(ABC):
    """Several stages of a study, as its key `stages` has them; options are keyword arguments."""

    @abstractmethod
    def stages(self) -> Mapping[str, Mapping[str, Any]]:
        """Return name → stage, `{kind: keys}`; those that name each other have these names."""


def expand_workflows(study: object, folder: Path | str | None) -> object:
    """Return the mapping of a study with the stages of its workflows in place of them.

    Stage `density` of the workflow `search` has the name `search.density`.

    folder  to which files of own workflows are relative.

    Raises StudyError if a name is taken, or for a wrong option of a workflow.
    """
    if not (isinstance(study, dict) and isinstance(study.get("stages"), dict)):
        return study
    stages: dict[Any, Any] = {}
    for name, given in study["stages"].items():
        made = {name: given}
        if isinstance(given, dict) and list(given) == ["workflow"] and given["workflow"]:
            made = _expand(str(name), given["workflow"], folder)
        for key, stage in made.items():
            if key in stages:
                raise StudyError(f"stages.{key}: another stage has the same name; rename one")
            stages[key] = stage
    return study | {"stages": stages}


def _expand(name: str, given: Any, folder: Path | str | None) -> dict[str, Any]:
    part = Part.model_validate(given, context={"folder": folder})
    flow: Workflow = parts.build(
        "workflow", part.name, part.options, where=f"stages.{name}.workflow"
    )
    own = flow.stages()
    return {f"{name}.{key}": _renamed(stage, own, name) for key, stage in own.items()}


def _renamed(stage: Mapping[str, Any], own: Collection[str], name: str) -> dict[str, Any]:
    """Return a stage that reads the stages of its workflow by their full names."""

    def full(value: Any) -> Any:
        if isinstance(value, list):
            return [full(one) for one in value]
        return f"{name}.{value}" if isinstance(value, str) and value in own else value

    return {
        kind: {key: full(one) if key in _REFERENCES else one for key, one in keys.items()}
        if isinstance(keys, Mapping)
        else keys
        for kind, keys in stage.items()
    }
