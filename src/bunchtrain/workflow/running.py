"""One study from start to finish, in steps that are skipped where a resumed run has them done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bunchtrain.errors import BunchtrainError, InterruptedRun, RunError
from bunchtrain.files import write_json
from bunchtrain.study import Study, load, model_configs, select_models
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.training.place import find_place
from bunchtrain.workflow import launch
from bunchtrain.workflow.environment import environment
from bunchtrain.workflow.exporting import check_exports, export_run
from bunchtrain.workflow.figures import measure
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.gains import measure_gains
from bunchtrain.workflow.gathering import gather
from bunchtrain.workflow.prediction_table import Predictions
from bunchtrain.workflow.preparation import check_networks, event_cache
from bunchtrain.workflow.progress import counting, say
from bunchtrain.workflow.result import Run
from bunchtrain.workflow.room import room
from bunchtrain.workflow.side_by_side import side_by_side
from bunchtrain.workflow.trainings import predict_member, train_member


def run(
    study: Study | str | Path,
    *assignments: str,
    size: str | None = None,
    runs: Path | str = "runs",
    only: Sequence[str] = (),
    jobs: int | None = None,
) -> Run:
    """Run a study: data, training, predictions, figures, report.

    study        a loaded study, or what `load` takes.
    assignments  dotted overrides, `"training.epochs=5"`, where the study is not loaded yet.
    size         `demo`, `small` or `full`.
    runs         folder in which `<study>/<time>/` is made.
    only         names of the networks to be trained; all if empty.
    jobs         networks that are trained at once; as many as there is room for if unset.

    Raises StudyError and DataError for the user's mistakes, before long work where they can be
    known; InterruptedRun if it was stopped and can be resumed.
    """
    chosen = study if isinstance(study, Study) else load(study, *assignments, size=size)
    chosen = select_models(chosen, only)
    check_networks(chosen)
    check_exports(chosen)
    launch.check_engines(chosen)
    if not launch.is_leader():
        return _follow(launch.join(Path(runs) / chosen.name), chosen, resume=False)
    folder = RunFolder.create(chosen, Path(runs))
    launch.announce(folder)
    write_json(folder.path / "environment.json", environment())
    return _steps(folder, chosen, resume=False, jobs=jobs)


def _follow(folder: RunFolder, study: Study, resume: bool) -> Run:
    """Train with worker 0; it writes the figures."""
    cache = event_cache(study)
    for name in model_configs(study):
        train_member(folder, study, cache, name, resume=resume)
    return Run(folder)


def resume(path: Path | str, jobs: int | None = None) -> Run:
    """Go on with an interrupted run, to the same figures as if it had not been.

    Raises RunError if there is no run in this folder.
    """
    folder = RunFolder.open(path)
    if not launch.is_leader():
        return _follow(folder, folder.study(), resume=True)
    return _steps(folder, folder.study(), resume=True, jobs=jobs)


def open_run(path: Path | str) -> Run:
    """Return a finished run.

    Raises RunError if it is not finished, with the command that resumes it.
    """
    folder = RunFolder.open(path)
    if folder.state != "finished":
        raise RunError(f"{path} is {folder.state}: bunchtrain run --resume {path}")
    return Run(folder)


def _steps(folder: RunFolder, study: Study, resume: bool, jobs: int | None) -> Run:
    at_once = 1 if find_place().workers > 1 else jobs or room(study)
    folder.set_state("running")
    try:
        _prepare_train_measure(folder, study, resume, at_once)
    except (KeyboardInterrupt, InterruptedRun):
        folder.set_state("interrupted")
        raise InterruptedRun(f"stopped; bunchtrain run --resume {folder.path}") from None
    except BunchtrainError as problem:
        folder.set_state("failed", why=str(problem))
        raise
    except BaseException:
        folder.set_state("failed")
        raise
    folder.set_state("finished")
    return Run(folder)


def _prepare_train_measure(folder: RunFolder, study: Study, resume: bool, jobs: int) -> None:
    with counting("events") as progress:
        cache = event_cache(study, progress)
    write_json(folder.path / "data.json", {**cache.manifest, "folder": str(cache.folder)})
    if not folder.predictions_file.is_file():
        _train(folder, study, cache, resume, jobs)
        gather(folder, study)
    outcome = Predictions.read(study, folder.predictions_file)
    write_json(folder.metrics_file, measure(outcome))
    write_json(folder.gains_file, measure_gains(outcome))
    say("writing the report")
    Run(folder).report()
    for part in study.export:
        say(f"exporting to {part.name}")
        export_run(folder, part.name, part.options)
    if study.export:  # with what was found of the exports
        Run(folder).report()


def _train(folder: RunFolder, study: Study, cache: EventCache, resume: bool, jobs: int) -> None:
    """Train and predict all members; one that fails does not keep the others from finishing."""
    names = list(model_configs(study))
    if jobs > 1 and len(names) > 1:
        failures = side_by_side(folder, study, names, jobs, resume)
    else:
        failures = _one_by_one(folder, study, cache, resume)
    if failures:
        name, problem = next(iter(failures.items()))
        others = f"; {', '.join(list(failures)[1:])} failed, too" if len(failures) > 1 else ""
        where = f"member '{name}': " if study.models else ""
        raise type(problem)(f"{where}{problem}{others}")


def _one_by_one(
    folder: RunFolder, study: Study, cache: EventCache, resume: bool
) -> dict[str, BunchtrainError]:
    failures: dict[str, BunchtrainError] = {}
    for name in model_configs(study):
        say(f"training {name}")
        try:
            train_member(folder, study, cache, name, resume=resume)
        except InterruptedRun:
            raise
        except BunchtrainError as problem:
            if find_place().workers > 1:  # the other workers have stopped, too
                raise
            failures[name] = problem
            if study.models:
                say(f"{name} failed: {problem}")
    if not failures:
        say("predicting the test set")
        for name in model_configs(study):
            predict_member(folder, study, cache, name)
    return failures
