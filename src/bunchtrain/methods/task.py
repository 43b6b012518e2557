"""A task: one network and how to train it, as plain data from which any worker builds it."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from pydantic import BaseModel

from bunchtrain import parts
from bunchtrain.errors import RunError, StudyError
from bunchtrain.files import damaged, read_json, write_json
from bunchtrain.heads._head import Head
from bunchtrain.heads._loss import Loss
from bunchtrain.networks.layers.fit_models import FitModel
from bunchtrain.representations._representation import Representation
from bunchtrain.representations.preprocessing.finite import Policy
from bunchtrain.targets import Target

if TYPE_CHECKING:
    pass

#: Name and options of a part.
NamedPart = tuple[str, dict[str, Any]]
#: Fields of a task, and settings of a training, that do not decide the trained model.
_NOT_IN_KEY = ("cache", "folder", "memory", "columns", "start")
_EXECUTION = ("engine", "threads", "logs", "device")
#: Field of a task in files of release 0.1 → its name now.
_OLD_FIELDS = {"represent": "representation", "calibrate": "calibration"}


class TaskFile(BaseModel):
    """Content of `task.json`, with the keys of release 0.1 or of today."""

    model: NamedPart
    terms: list[tuple[str, dict[str, Any], str, float]]
    targets: dict[str, dict[str, Any]]
    settings: dict[str, Any]
    invalid: str
    representation: NamedPart | None = None
    represent: NamedPart | None = None
    posterior: NamedPart | None = None
    calibration: list[NamedPart] = []
    calibrate: list[NamedPart] = []
    columns: list[str] = []
    seed: int = 1
    memory: int = 1
    owns_loss: bool = False
    start: str | None = None
    start_sha256: str | None = None


@dataclass(frozen=True)
class Task:
    """One network to train; plain data that is sent to workers and stored in files.

    cache       folder of the event cache.
    folder      where weights, checkpoint, learning curves and `training.json` are written.
    representation  name and options of the representation; `model` likewise.
    terms       of the loss: (loss, options, target, weight).
    targets     by name; only their classes or values are kept.
    settings    the keys of `study.schema.Training`, as a mapping or as the object itself.
    invalid     policy on NaN and infinity in the inputs.
    memory      bound in bytes on the represented events of one worker.
    columns     that the representation reads; determined from the cache if empty.
    posterior   name and options of the distribution of the weights, None for plain weights.
    calibration     names and options of the calibrations, fitted in this order.
    owns_loss   whether `model` is a method with its own loss, which has no terms and targets.
    start       folder with the weights that the training starts from, as
                `training.start.write_start` writes it; None for random weights.
    start_sha256    hash of these weights, by which a resumed training has the same ones.
    """

    cache: str
    folder: str
    representation: NamedPart
    model: NamedPart
    terms: list[tuple[str, dict[str, Any], str, float]]
    targets: dict[str, Target]
    settings: dict[str, Any]
    seed: int = 1
    invalid: Policy = "raise"
    memory: int = 2_000_000_000
    columns: list[str] = field(default_factory=list)
    posterior: NamedPart | None = None
    calibration: list[NamedPart] = field(default_factory=list)
    owns_loss: bool = False
    start: str | None = None
    start_sha256: str | None = None

    def __post_init__(self) -> None:
        if hasattr(self.settings, "model_dump"):
            object.__setattr__(self, "settings", self.settings.model_dump(mode="json"))
        for path in ("cache", "folder"):
            object.__setattr__(self, path, str(getattr(self, path)))
        shapes = {
            name: Target(
                name, t.classes, t.values, axis=t.axis, same=t.same, assignment=t.assignment
            )
            for name, t in self.targets.items()
        }
        object.__setattr__(self, "targets", shapes)

    @property
    def is_on_arrays(self) -> bool:
        """Whether its model is fit in one call on arrays, without torch."""
        return not self.owns_loss and is_on_arrays(parts.find("model", self.model[0]))

    @property
    def predicts_points(self) -> bool:
        """Whether a target is of points, of edges between them, or an assignment of them."""
        targets = self.targets.values()
        return any(one.axis != "event" or one.assignment is not None for one in targets)

    @property
    def engine(self) -> NamedPart:
        """Name and options of the engine."""
        options = dict(self.settings["engine"])
        return options.pop("name"), options

    def build_representation(self, available: Collection[str]) -> tuple[Representation, list[str]]:
        """Return the representation and the columns that it reads, of those available.

        Raises DataError if a column is missing.
        """
        made: Representation = parts.build("representation", *self.representation)
        return made, made.columns(self.columns or available)

    def losses(self) -> list[tuple[Loss, float]]:
        """Return the terms of the loss with their weights."""
        return [
            (parts.build("loss", name, options, self.targets[target]), weight)
            for name, options, target, weight in self.terms
        ]

    def sorted_losses(self) -> list[tuple[Loss, float]]:
        """Return the terms of the loss with their weights, a head the first."""
        return sorted(self.losses(), key=lambda term: not isinstance(term[0], Head))

    @property
    def spectators(self) -> list[str]:
        """Columns that the losses read and the network does not, sorted."""
        return sorted({name for loss, _ in self.losses() for name in loss.spectators})

    def heads(self) -> dict[str, Head]:
        """Return target → the first head of the terms on it.

        Raises StudyError if two heads of a target need different outputs, or if there is none.
        """
        for index, term in enumerate(self.terms):
            if term in self.terms[:index]:
                raise StudyError(f"loss: the term '{term[0]}' is listed twice; give it a weight")
        heads: dict[str, Head] = {}
        for loss, _ in self.losses():
            if isinstance(loss, Head):
                target, outputs = loss.target.name, loss.outputs
                first = heads.setdefault(target, loss)
                if first.outputs != outputs:
                    raise StudyError(
                        f"loss: the terms on target '{target}' need {first.outputs} and {outputs} "
                        "outputs; combine only terms that need the same"
                    )
        if not heads:
            raise StudyError("loss: no term fits a target; add one such as 'cross_entropy'")
        return heads

    def head_sizes(self) -> dict[str, int]:
        """Return target → count of its outputs."""
        return {target: head.outputs for target, head in self.heads().items()}

    def as_dict(self) -> dict[str, Any]:
        """Return the task for JSON, files of parts relative to its folder."""
        plain = {f.name: getattr(self, f.name) for f in fields(self)}
        plain |= {"targets": {name: t.as_dict() for name, t in self.targets.items()}}
        return dict(parts.map_names(plain, lambda name: parts.relative_name(name, self.folder)))

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> Task:
        """Return the task that `as_dict` wrote, perhaps in release 0.1."""
        folder = plain["folder"]
        plain = parts.map_names(plain, lambda name: parts.absolute_name(name, folder))
        entries = {_OLD_FIELDS.get(key, key): value for key, value in plain.items()}
        for key in ("representation", "model", "posterior"):
            if entries.get(key):
                entries[key] = tuple(entries[key])
        for key in ("terms", "calibration"):
            entries[key] = [tuple(one) for one in entries.get(key, [])]
        entries["invalid"] = {"refuse": "raise"}.get(entries["invalid"], entries["invalid"])
        targets = entries["targets"].items()
        entries["targets"] = {name: Target.from_dict(name, entry) for name, entry in targets}
        return cls(**entries)

    def save(self) -> None:
        """Write `task.json` into the folder."""
        write_json(Path(self.folder) / "task.json", self.as_dict())

    @classmethod
    def load(cls, folder: str | Path) -> Task:
        """Return the task of a folder, also if the folder has been moved.

        Raises RunError if there is none.
        """
        path = Path(folder) / "task.json"
        if not path.is_file():
            raise RunError(f"{folder} has no task.json: it is not the folder of a training")
        content = read_json(path, TaskFile)
        try:
            return cls.from_dict({**content, "folder": str(folder)})
        except (KeyError, TypeError, ValueError, AttributeError) as problem:
            raise damaged(path, f"{type(problem).__name__}: {problem}") from None

    def check_resume(self) -> None:
        """Raise RunError if the folder contains the training of another task."""

        def flat(content: dict[str, Any]) -> dict[str, Any]:
            settings = content.pop("settings").items()
            return content | {f"training.{name}": value for name, value in settings}

        ours, theirs = (flat(one.key_content()) for one in (self, Task.load(self.folder)))
        for key, value in ours.items():
            if theirs.get(key) != value:
                raise RunError(
                    f"{self.folder} cannot be resumed: '{key}' was {theirs.get(key)!r} and is now "
                    f"{value!r}; start a new run"
                )

    def key_content(self) -> dict[str, Any]:
        """Return what decides the trained model, on given events, as plain data."""
        plain = json.loads(json.dumps(self.as_dict()))
        found = {key: value for key, value in plain.items() if key not in _NOT_IN_KEY}
        return {**found, "settings": without_execution(plain["settings"])}


def without_execution(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a training that decide its result, not where it runs or logs."""
    return {key: value for key, value in settings.items() if key not in _EXECUTION}


def is_on_arrays(model: object) -> bool:
    """Return whether a model, or its class, works on arrays and needs no torch."""
    kind = model if isinstance(model, type) else type(model)
    return issubclass(kind, FitModel) and not kind.takes_tensors


def derive_seed(*indices: int) -> int:
    """Return a seed in [0, 2³²) that depends on these integers and their order alone."""
    return int(np.random.SeedSequence(indices).generate_state(1)[0])
