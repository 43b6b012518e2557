"""Trained models of other runs, found by `training.from`, and their copies in a run."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

from bunchtrain.errors import BunchtrainError, StudyError, nearest, shorten
from bunchtrain.methods.task import Task
from bunchtrain.study import ModelConfig, Study, model_configs
from bunchtrain.training.start import FILE, Start, read_about, write_start
from bunchtrain.workflow.folder import RunFolder, newest_run
from bunchtrain.workflow.preparation import task
from bunchtrain.workflow.trainings import trainings

#: Name of the stages that train, `train` or `train.MODEL`.
TRAIN = "train"


def find_trained(text: str, runs: Path, where: str) -> tuple[Path, dict[str, str]]:
    """Return the folder of a trained model, and where it comes from as names and versions.

    text   `STUDY`, `STUDY:MODEL`, `STUDY:train.MODEL`, or the folder of a run instead of a study,
           or that of a training.
    runs   folder of the runs of all studies.
    where  key of the study, for messages.

    Raises StudyError if there is none, or if several models are there and none is named.
    """
    place, separator, name = text.rpartition(":")
    place, name = (place, name) if separator else (text, "")
    if (Path(text) / "network.json").is_file():
        return Path(text), {"run": text}
    name = name.removeprefix(f"{TRAIN}.") if name != TRAIN else ""
    folder = _run(place, name, runs, where)
    models = dict(_models(folder))
    if not models:
        raise StudyError(f"{where}: {folder.path} has no trained model: finish its run first")
    if name and name not in models:
        known = nearest(name, models) or f"; there are {', '.join(models)}"
        raise StudyError(f"{where}: {folder.path} has no trained model '{name}'{known}")
    if not name and len(models) > 1:
        raise StudyError(
            f"{where}: {folder.path} has the models {', '.join(models)}; name one, as "
            f"'{place}:{next(iter(models))}'"
        )
    name = name or next(iter(models))
    environment = folder.json("environment.json")
    origin = {"run": str(folder.path), "study": folder.path.parent.name, "model": name}
    return models[name], origin | {
        "version": str(environment.get("bunchtrain", "")),
        "commit": str(environment.get("commit", "")),
    }


def _run(place: str, name: str, runs: Path, where: str) -> RunFolder:
    """Return a run by its folder, or the newest one of a study that has the trained model."""
    if Path(place).is_file():
        raise StudyError(
            f"{where}: '{shorten(place, plain=True)}' is a file, not a trained model; give the "
            "folder of a run, STUDY or STUDY:MODEL"
        )
    if "/" in place or (Path(place) / "status.json").is_file():
        try:
            return RunFolder.open(place)
        except BunchtrainError as problem:
            raise StudyError(f"{where}: {problem}") from None

    def has_model(folder: RunFolder) -> bool:
        models = dict(_models(folder))
        return name in models if name else bool(models)

    newest = newest_run(runs / place, has_model)
    if newest is not None:
        return newest
    if of_study := sorted((runs / place).glob("*/study.yaml"), reverse=True):
        raise StudyError(
            f"{where}: no run of '{place}' in {runs} is finished: bunchtrain run --resume "
            f"{of_study[0].parent}"
        )
    known = sorted({path.parents[1].name for path in runs.glob("*/*/study.yaml")})
    hint = nearest(place, known) or f": bunchtrain run {place}"
    raise StudyError(f"{where}: '{place}' has no run in {runs}{hint}")


def _models(folder: RunFolder) -> Iterator[tuple[str, Path]]:
    """Yield name and folder of each trained model of a run."""
    study = folder.study()
    for model in model_configs(study).values():
        for one in trainings(folder, study, model):
            if one.is_finished and one.seed == study.seed:
                yield one.name, one.folder
    for path in sorted(folder.path.glob("stages/*/model/network.json")):
        yield path.parents[1].name, path.parent


def check_starts(study: Study, runs: Path) -> None:
    """Raise StudyError if a trained model that a study starts from is missing or of another kind.

    runs  folder of the runs of all studies.
    """
    for model in model_configs(study).values():
        if model.training.start is not None:
            with TemporaryDirectory() as place:
                started_task(study, model, runs, Path(place))


def started_task(study: Study, model: ModelConfig, runs: Path, place: Path) -> Task:
    """Return the task of a model that starts from a trained one, copied into `place`.

    Raises StudyError if that is missing or of another kind.
    """
    where = f"models.{model.name}.training.from" if study.models else "training.from"
    found, origin = find_trained(str(model.training.start), runs, where)
    write_start(found, place, origin)
    made = task(study, model, Path(), Path(), start=place)
    Start(read_about(place), {}).check(made)
    return made


def copy_starts(folder: RunFolder, study: Study, runs: Path | None = None) -> None:
    """Copy the trained models that a study starts from into a run, unless they are there.

    A run does not need the other runs any more.

    runs  folder of the runs of all studies; that of this run if None.
    """
    for model in model_configs(study).values():
        place = folder.start(model.name)
        if model.training.start is not None and not (place / FILE).is_file():
            started_task(study, model, runs or folder.path.parent.parent, place)
            if folder.study_file.is_file():  # not a search
                folder.manifest.add_missing()
