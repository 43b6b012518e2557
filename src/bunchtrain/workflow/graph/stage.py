"""A stage: a function of other stages' results and options, cached by the hash of both."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Literal

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.files import as_json, hash_file
from bunchtrain.study import Study
from bunchtrain.study.stage_checks import sort_names
from bunchtrain.workflow.executors._executor import Executor
from bunchtrain.workflow.folder import RunFolder

Kind = Literal[
    "source", "prepare", "train", "predict", "generate", "transform", "evaluate", "rollout",
    "export", "trained", "repeat", "report",
]  # fmt: skip
#: Options as plain data; a function for those that are known when the inputs are finished.
Options = Mapping[str, Any] | Callable[[], Mapping[str, Any]]

#: Kinds of stage whose results depend on all of the code, and packages that others do not use.
_ALL_CODE = ("evaluate", "export", "repeat")
_SHOWS_RESULTS = ("cli", "report", "plots", "evaluations", "deployment", "workflow")


@dataclass(frozen=True)
class Stage:
    """One stage of a graph.

    name        of the stage, `prepare`, `train.pfn` or the key in the study.
    kind        of its function.
    run         writes the files of the result into the folder of the run.
    inputs      names of the stages whose results it reads.
    options     that decide its result, without folders, workers and threads.
    outputs     patterns of its files, relative to the folder of the run.
    excluded    patterns of names of files that are none of its outputs.
    version     of the code of its part.
    is_cached   whether a finished result is used again; False for what is checked in each run.
    in_process  whether it always runs in the process of the run; False for long work.
    reused      called after its files were copied from another run.
    """

    name: str
    kind: Kind
    run: Callable[[StageContext], None]
    inputs: tuple[str, ...] = ()
    options: Options = lambda: {}
    outputs: tuple[str, ...] = ()
    excluded: tuple[str, ...] = ()
    version: str = "1"
    is_cached: bool = True
    in_process: bool = True
    reused: Callable[[], None] | None = None

    def key(self, inputs: Iterable[str]) -> str:
        """Return the SHA-256 of name, kind, code, options and the keys of the inputs."""
        options = self.options() if callable(self.options) else self.options
        code = [self.version, code_version(self.kind in _ALL_CODE)]
        content = [self.name, self.kind, code, list(inputs), with_hashes(options)]
        return hashlib.sha256(canonical(content).encode()).hexdigest()

    def files(self, folder: Path) -> list[Path]:
        """Return the files of its result in the folder of a run, sorted."""
        found = {path for pattern in self.outputs for path in folder.glob(pattern)}
        return sorted(
            path
            for path in found
            if path.is_file() and not any(path.match(pattern) for pattern in self.excluded)
        )


@dataclass(frozen=True)
class StageContext:
    """What the function of a stage is called with.

    folder  of the run.
    study   of the run.
    stage   itself.
    resume  whether files of an interrupted stage may be there, which it continues from.
    jobs    maximum number of processes for its work.
    executor  of the study, for pieces of its work; None to make them in this process.
    """

    folder: RunFolder
    study: Study
    stage: Stage
    resume: bool = False
    jobs: int = 1
    executor: Executor | None = None

    @property
    def place(self) -> Path:
        """The folder of a stage of the key `stages`."""
        return stage_folder(self.folder.path, self.stage.name)


def stage_folder(run: Path, name: str) -> Path:
    """Return the folder of a stage of the key `stages` in the folder of a run."""
    return run / "stages" / name


@cache
def code_version(is_all: bool) -> str:
    """Return the hash of the toolkit's code, without what only shows results unless `is_all`."""
    root = Path(__file__).parents[2]
    found = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        place = path.relative_to(root)
        if place.parts[0] not in (() if is_all else _SHOWS_RESULTS):
            found.update(place.as_posix().encode() + path.read_bytes())
    return found.hexdigest()


def with_hashes(content: object) -> Any:
    """Return plain data in which a part of one's own is named by the hash of its file."""

    def replace(name: str) -> str:
        path, _, attribute = name.rpartition(":")
        return f"{hash_file(Path(path))}:{attribute}" if Path(path).is_file() else name

    return parts.map_names(json.loads(as_json(content)), replace)


def canonical(content: object) -> str:
    """Return content as JSON text with sorted keys."""
    return json.dumps(json.loads(as_json(content)), sort_keys=True, separators=(",", ":"))


def sort_stages(graph: Mapping[str, Stage]) -> list[Stage]:
    """Return the stages, each after its inputs, in the order of the graph otherwise.

    Raises StudyError for a circle, naming its stages, or an input that is none.
    """
    for name, stage in graph.items():
        for missing in stage.inputs:
            if missing not in graph:
                raise StudyError(f"stages.{name}: there is no stage '{missing}'")
    return [graph[name] for name in sort_names({n: one.inputs for n, one in graph.items()})]


def ancestors(graph: Mapping[str, Stage], names: Iterable[str]) -> set[str]:
    """Return these stages and all that they depend on."""
    found, pending = set[str](), list(names)
    while pending:
        if (name := pending.pop()) not in found:
            found.add(name)
            pending += graph[name].inputs
    return found


def descendants(graph: Mapping[str, Stage], names: Iterable[str]) -> set[str]:
    """Return these stages and all that depend on them."""
    found = set(names)
    for stage in sort_stages(graph):
        if found & set(stage.inputs):
            found.add(stage.name)
    return found
