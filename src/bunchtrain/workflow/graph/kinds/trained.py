"""Stages of kind `trained`: the result of a stage of another study's run, copied into this run."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from bunchtrain.errors import BunchtrainError, StudyError, nearest
from bunchtrain.files import hash_file, read_json
from bunchtrain.study import Study, known, model_configs, select_models
from bunchtrain.study.derived import table_part
from bunchtrain.study.stage_checks import default_stages, full_name, stage_names
from bunchtrain.workflow.folder import RunFolder, newest_run
from bunchtrain.workflow.graph.record import read_record
from bunchtrain.workflow.graph.stage import Stage, StageContext, stage_folder
from bunchtrain.workflow.graph.stage_inputs import (
    MODEL,
    STUDY,
    TABLE,
    StageFolder,
    StageInputs,
    write_study,
)
from bunchtrain.workflow.progress import say

#: File that says what was copied: its run, its stage and the hashes of its files.
RECORD = "trained.json"


@dataclass(frozen=True)
class Found:
    """The result of a stage of another run.

    run    of the other study.
    stage  name of its stage.
    study  of its model, None for a table.
    files  name in the folder of the new stage → file.
    """

    run: Path
    stage: str
    study: Study | None
    files: Mapping[str, Path]

    def describe(self) -> dict[str, Any]:
        """Return what the record of the stage says."""
        return {
            "stage": self.stage,
            "files": {name: hash_file(path) for name, path in sorted(self.files.items())},
        }


def make_stage(inputs: StageInputs, name: str) -> Stage:
    """Return the stage that copies the result; a resumed run keeps the one that it has."""
    given: str = inputs.study.stages[name].options
    record = inputs.place(name) / RECORD

    def options() -> dict[str, Any]:
        if record.is_file():
            found: dict[str, Any] = read_json(record, dict[str, Any])
            return {key: found[key] for key in ("stage", "files")}
        return find_trained(given, inputs.folder.path.parent.parent, f"stages.{name}").describe()

    def run(context: StageContext) -> None:
        found = find_trained(given, inputs.folder.path.parent.parent, f"stages.{name}")
        say(f"{name}: taken from {found.run}")
        for file, path in found.files.items():
            (context.place / file).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, context.place / file)
        if found.study is not None:
            write_study(context.place, found.study)
        content = {**found.describe(), "run": f"{found.run.parent.name}/{found.run.name}"}
        context.folder.manifest.write_json(record, content)

    place = f"stages/{name}"
    return Stage(
        name, "trained", run, options=options, outputs=(f"{place}/**/*",), excluded=(".*",)
    )


def find_trained(given: str, runs: Path, where: str) -> Found:
    """Return the result of `other_study:stage`, or of `RUN_FOLDER:stage`.

    runs   folder with the runs of all studies.
    where  key of the study, for messages.

    Raises StudyError, with the command to run, if there is no finished run, or no such stage.
    """
    other, _, name = given.rpartition(":")
    folder = _find_run(other, name, runs, f"{where}.trained")
    try:
        study = folder.study()
    except BunchtrainError as problem:
        raise StudyError(f"{where}.trained: {problem}") from None
    stages = {**default_stages(study), **dict.fromkeys(study.stages, "any")}
    if name not in stages:
        hint = nearest(name, stages) or f"; it has {', '.join(list(stages)[:8])}"
        raise StudyError(f"{where}.trained: the run {folder.path} has no stage '{name}'{hint}")
    found = _result(folder, study, full_name(study, name))
    if not found.files or not all(path.is_file() for path in found.files.values()):
        raise StudyError(
            f"{where}.trained: stage '{name}' of {folder.path} has neither a model nor a table"
        )
    return found


def _find_run(other: str, stage: str, runs: Path, where: str) -> RunFolder:
    """Return a run by its folder, or the newest one of a study that has finished the stage."""
    if (Path(other) / STUDY).is_file():
        return RunFolder.open(other)

    def has_stage(folder: RunFolder) -> bool:
        record = read_record(folder.path)
        names = stage_names(folder.study(), stage)
        return all(name in record and record[name].state == "finished" for name in names)

    found = newest_run(runs / other, has_stage)
    if found is not None:
        return found
    if other in known() or any((runs / other).glob("*/status.json")):
        raise StudyError(
            f"{where}: study '{other}' has no finished run in {runs}: bunchtrain run {other} "
            f"--runs {runs}"
        )
    hint = nearest(other, {*known(), *(path.name for path in runs.glob("*"))})
    raise StudyError(f"{where}: there is no study or run folder '{other}'{hint}")


def _result(folder: RunFolder, study: Study, name: str) -> Found:
    """Return the files of a stage, and the study of a model."""
    own = study.stages.get(name)
    label = name.removeprefix("train.")
    if name.startswith("train.") and label in model_configs(study):
        chosen = select_models(study, [label] if study.models else [])
        left_out: dict[str, Any] = {"ensembles": {}, "stages": {}, "evaluation": [], "export": []}
        chosen = chosen.model_copy(update={**left_out, "transforms": {}})
        return Found(folder.path, name, chosen, _model_files(folder.model(label)))
    place = stage_folder(folder.path, name)
    if own is not None and (place / MODEL / "network.json").is_file():
        its = StageFolder(place)
        return Found(folder.path, name, its.study(), _model_files(its.model(name)))
    path = folder.path / table_part(study, name, folder.path).options.get("files", "")
    return Found(folder.path, name, None, {TABLE: path} if path.is_file() else {})


def _model_files(place: Path) -> dict[str, Path]:
    """Return name in the folder of the new stage → file of a trained model with all its seeds."""
    patterns = ("network.json", "task.json", "training.json", "history.csv", "weights.*")
    found = [path for pattern in patterns for path in place.glob(f"**/{pattern}")]
    return {f"{MODEL}/{path.relative_to(place).as_posix()}": path for path in found}
