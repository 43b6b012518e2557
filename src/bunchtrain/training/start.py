"""The trained model that a training starts from: its weights and a description, as plain data.

A folder with `weights.safetensors`, an unchanged copy of the weights of the first training, and
`start.json`, which names the inputs and outputs that they belong to. Neither contains code, so that
a training needs the first run no more.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bunchtrain import parts
from bunchtrain.errors import RunError, StudyError
from bunchtrain.files import atomic_path, hash_file, read_json, write_json
from bunchtrain.methods.task import Task
from bunchtrain.methods.tensor_files import read_arrays, read_tensors
from bunchtrain.representations._representation import Representation
from bunchtrain.trained_files import NetworkFile
from bunchtrain.trained_model import FORMAT, FORMATS

FILE = "start.json"


class StartFile(BaseModel):
    """Content of `start.json`.

    model           name of the model or method; `is_method` which of both.
    posterior       name of the distribution of the weights.
    representation  name and options, also of those that were fitted.
    sizes           tensor → shape of one row.
    names           tensor → names of its columns.
    slots           target → names of its outputs.
    event_targets   those of events, whose outputs are the model's.
    origin          where the weights come from: run, study, model, version.
    sha256          hash of the weights.
    """

    model: str
    is_method: bool
    posterior: str | None
    representation: tuple[str, dict[str, Any]]
    sizes: dict[str, list[int]]
    names: dict[str, list[str]]
    slots: dict[str, list[str]]
    event_targets: list[str]
    origin: dict[str, str]
    sha256: str

    @property
    def event_slots(self) -> list[str]:
        """Names of the outputs of the model."""
        return event_slots(self.slots, self.event_targets)


@dataclass(frozen=True)
class Start:
    """A trained model to start from: its description and its weights by name."""

    about: StartFile
    state: Mapping[str, Any]

    @property
    def name(self) -> str:
        """Model and run, for messages."""
        return f"model '{self.about.model}' of {self.about.origin.get('run', 'the first training')}"

    def check(self, task: Task) -> None:
        """Raise StudyError if a task has a network of another kind."""
        about, kind = self.about, "method" if task.owns_loss else "model"
        first = "method" if about.is_method else "model"
        if (first, about.model) != (kind, parts.short_name(task.model[0])):
            raise StudyError(
                f"training.from: the trained {first} is '{about.model}', and the {kind} here is "
                f"'{parts.short_name(task.model[0])}'; start from one of the same kind"
            )
        posterior = parts.short_name(task.posterior[0]) if task.posterior else None
        if posterior != about.posterior:
            raise StudyError(
                f"training.from: the posterior of the {self.name} is "
                f"{about.posterior or 'none'}, and here it is {posterior or 'none'}; use the same"
            )


@dataclass
class Transfer:
    """What a training has taken from a trained model, by the names of weights and columns.

    part         weight → what of it is new.
    dropped      weights of the trained model that the network does not have.
    fitted       columns whose normalisation is that of the new events.
    warnings     sentences for the user.
    frozen       number of parameters that are not trained, of all `parameters`, or not before
                 the end of `frozen_epochs`.
    """

    start: Start
    taken: list[str] = field(default_factory=list)
    part: dict[str, str] = field(default_factory=dict)
    initialised: list[str] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    fitted: list[str] = field(default_factory=list)
    warnings: list[str] = field(default_factory=list)
    frozen: int = 0
    parameters: int = 0
    frozen_epochs: int | None = None

    @property
    def text(self) -> str:
        """One line for the log and the report."""
        lists = {"initialised": self.initialised, "dropped": self.dropped}
        words = [f"{len(self.taken)} tensors taken"]
        words += [f"{name} in part (new: {new})" for name, new in self.part.items()]
        words += [f"{kind}: {', '.join(names)}" for kind, names in lists.items() if names]
        if self.fitted:
            words.append(f"normalisation fitted to these events: {', '.join(self.fitted)}")
        if self.frozen:
            time = f" for {self.frozen_epochs} epochs" if self.frozen_epochs else ""
            words.append(f"{self.frozen:,} of {self.parameters:,} parameters frozen{time}")
        return f"started from the {self.start.name}: {'; '.join(words)}"

    def as_dict(self) -> dict[str, Any]:
        """Return the record for `training.json`."""
        return {
            **self.start.about.origin,
            "sha256": self.start.about.sha256,
            "taken": self.taken,
            "taken_in_part": self.part,
            "initialised": self.initialised,
            "dropped": self.dropped,
            "normalisation_fitted": self.fitted,
            "frozen_parameters": self.frozen,
            "text": self.text,
        }


def shape(size: int | tuple[int, ...]) -> list[int]:
    """Return the shape of one row of a tensor from its size."""
    return [size] if isinstance(size, int) else list(size)


def slots(task: Task) -> dict[str, list[str]]:
    """Return target → names of its outputs.

    An output for each class or value has its name; others are the same only for the same loss and
    the same classes or values in the same order.
    """
    if task.owns_loss:
        return {}
    found = {}
    for target, head in task.heads().items():
        labels = list(head.target.labels)
        kind = "class" if head.target.classes else "value"
        if head.outputs == len(labels) and not head.target.assignment:
            found[target] = [f"{kind} {label}" for label in labels]
        else:
            whole = f"of {head.name} for {', '.join(labels)}"
            found[target] = [f"output {k + 1} {whole}" for k in range(head.outputs)]
    return found


def event_targets(task: Task) -> list[str]:
    """Return the targets of a task whose outputs are those of the model, of events."""
    return [name for name in slots(task) if task.targets[name].output_axis == "event"]


def event_slots(of: Mapping[str, list[str]], targets: Collection[str]) -> list[str]:
    """Return the names of the outputs of the model, with their targets, in their order."""
    return [f"{name}, {slot}" for name in of if name in targets for slot in of[name]]


def write_start(model: Path, place: Path, origin: Mapping[str, str]) -> str:
    """Copy the weights of a finished training, describe them, and return their hash.

    model   folder of the training, with `network.json`.
    place   folder to write.
    origin  where they come from, for the record of the new training.

    Raises RunError if there is no trained model, if its weights were changed or if it is of release
    0.1.
    """
    description = model / "network.json"
    if not description.is_file():
        raise RunError(f"training.from: {model} has no trained model; finish its run first")
    content = read_json(description, NetworkFile)
    if content["format"] != FORMAT:
        raise RunError(f"training.from: {model} is of release 0.1; run its study again")
    parts.check_recorded(content, model)
    weights = model / FORMATS[FORMAT]
    if not weights.is_file() or hash_file(weights) != content["sha256"]:
        raise RunError(f"training.from: {weights} is missing or was changed; run its study again")
    task = Task.from_dict({**content["task"], "cache": "", "folder": str(model)})
    place.mkdir(parents=True, exist_ok=True)
    with atomic_path(place / weights.name) as part:
        shutil.copyfile(weights, part)
    about = describe(task, origin, content["sha256"])
    write_json(place / FILE, about.model_dump(mode="json"))
    return about.sha256


def describe(task: Task, origin: Mapping[str, str], sha256: str) -> StartFile:
    """Return the description of a task's weights."""
    representation: Representation = parts.build("representation", *task.representation)
    name, options = task.representation
    return StartFile(
        model=parts.short_name(task.model[0]),
        is_method=task.owns_loss,
        posterior=parts.short_name(task.posterior[0]) if task.posterior else None,
        representation=(parts.short_name(name), options),
        sizes={tensor: shape(size) for tensor, size in representation.sizes.items()},
        names=representation.names,
        slots=slots(task),
        event_targets=event_targets(task),
        origin=dict(origin),
        sha256=sha256,
    )


def read_about(place: Path | str) -> StartFile:
    """Return the description in a folder; RunError if it is missing or damaged."""
    if not (Path(place) / FILE).is_file():
        raise RunError(f"{place} has no {FILE}: restore it, or start a new run")
    return StartFile(**read_json(Path(place) / FILE, StartFile))


def read_start(task: Task, *, on_arrays: bool) -> Start:
    """Return the weights that a task starts from, as arrays or as tensors.

    Raises RunError if they are missing or others than the task states.
    """
    assert task.start is not None
    about, path = read_about(task.start), Path(task.start) / FORMATS[FORMAT]
    if not path.is_file() or hash_file(path) != task.start_sha256:
        raise RunError(f"{path} is missing or was changed: restore it, or start a new run")
    start = Start(about, (read_arrays if on_arrays else read_tensors)(path))
    start.check(task)
    return start


def kept_options(task: Task) -> dict[str, Any] | None:
    """Return the options of the representation of the trained model, with those that were fitted.

    None for a task that starts from none, that fits its own, or with another representation.
    """
    if task.start is None or task.settings.get("normalisation") == "refit":
        return None
    name, options = read_about(task.start).representation
    own, given = task.representation
    plain = json.loads(json.dumps(given))
    same = name == parts.short_name(own) and plain.items() <= options.items()
    return options if same else None
