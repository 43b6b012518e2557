"""One study from start to finish, in steps that a resumed run skips if they are finished."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bunchtrain.errors import BunchtrainError, InterruptedRun, RunError
from bunchtrain.parts import report_own_errors
from bunchtrain.study import Study, load, model_configs, select_models
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.training.workers import WorkerInfo
from bunchtrain.workflow import launch
from bunchtrain.workflow.concurrent_trainings import max_concurrent_trainings, train_concurrently
from bunchtrain.workflow.environment import environment
from bunchtrain.workflow.evaluate import check_test_set, evaluate_study
from bunchtrain.workflow.export import check_exports, export_run
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.preparation import check_models, event_cache
from bunchtrain.workflow.progress import counting, say
from bunchtrain.workflow.run import Run
from bunchtrain.workflow.run_events import check_key
from bunchtrain.workflow.trainings import (
    merge_predictions,
    predict_model,
    train_model,
    training_warnings,
)
from bunchtrain.workflow.transforms import make_transforms, write_objects
from bunchtrain.workflow.write_report import write_report


def run(
    study: Study | str | Path,
    *assignments: str,
    size: str | None = None,
    runs: Path | str = "runs",
    only: Sequence[str] = (),
    jobs: int | None = None,
) -> Run:
    """Run a study: data, training, predictions, evaluations, report, exports.

    study        a loaded study, or the first argument of `load`.
    assignments  dotted overrides, `"training.epochs=5"`, where the study is not loaded yet.
    size         `demo`, `small` or `full`.
    runs         folder in which `<study>/<time>/` is created.
    only         names of the models to train; all if empty.
    jobs         maximum number of concurrent trainings; as many as fit if None.

    Raises StudyError and DataError for the user's mistakes, before long work where possible;
    InterruptedRun if it was stopped and can be resumed.
    """
    chosen = study if isinstance(study, Study) else load(study, *assignments, size=size)
    chosen = select_models(chosen, only)
    make_transforms(chosen)
    check_models(chosen)
    check_exports(chosen)
    launch.check_engines(chosen)
    if not launch.is_leader():
        folder = launch.join(Path(runs) / chosen.name)
        return _follow(folder, folder.study(), resume=False)
    folder = RunFolder.create(chosen, Path(runs))
    launch.announce(folder)
    return _steps(folder, folder.study(), resume=False, jobs=jobs)


def _follow(folder: RunFolder, study: Study, resume: bool) -> Run:
    """Take part in the distributed trainings of worker 0, which does all the rest."""
    cache = event_cache(study)
    for name in model_configs(study):
        train_model(folder, study, cache, name, resume=resume)
    return Run(folder)


def resume(path: Path | str, jobs: int | None = None) -> Run:
    """Resume an interrupted run, with the same result as without interruption.

    Raises RunError if there is no run in this folder, if a file of it is damaged or was edited, or
    if the source has other events now.
    """
    folder = RunFolder.open(path)
    if not launch.is_leader():
        return _follow(folder, folder.study(), resume=True)
    folder.manifest.check(resumed=True)
    if not (folder.path / "environment.json").is_file():  # a run of release 0.1
        folder.manifest.write_json(folder.path / "environment.json", environment())
    return _steps(folder, folder.study(), resume=True, jobs=jobs)


def open_run(path: Path | str) -> Run:
    """Return a finished run.

    Raises RunError if it is not finished, with the command that resumes it, or if a file of it is
    damaged or was edited.
    """
    folder = RunFolder.open(path)
    if folder.state != "finished":
        raise RunError(f"{path} is {folder.state}: bunchtrain run --resume {path}")
    folder.manifest.check()
    return Run(folder)


def _steps(folder: RunFolder, study: Study, resume: bool, jobs: int | None) -> Run:
    concurrent = (
        1
        if WorkerInfo.from_environment().world_size > 1
        else jobs or max_concurrent_trainings(study)
    )
    with _recorded_state(folder):
        with counting("events") as progress:
            cache = event_cache(study, progress)
        check_key(folder, study, cache)
        check_test_set(study, cache.class_counts)
        folder.set_state("running")
        content = {**cache.manifest, "folder": str(cache.folder)}
        folder.manifest.write_json(folder.path / "data.json", content)
        if not folder.predictions_file.is_file():
            _train(folder, study, cache, resume, concurrent)
            merge_predictions(folder, study)
            if study.transforms:
                write_objects(folder, study)
        folder.manifest.add_missing()
        _evaluate_and_export(Run(folder))
    return Run(folder)


@contextmanager
def _recorded_state(folder: RunFolder) -> Iterator[None]:
    """Write the state of the run at the end; an error before a step leaves that of a former end."""
    try:
        with report_own_errors():
            yield
    except (KeyboardInterrupt, InterruptedRun):
        folder.set_state("interrupted")
        raise InterruptedRun(f"stopped; bunchtrain run --resume {folder.path}") from None
    except BaseException as problem:
        if folder.state == "running":
            why = {"why": str(problem)} if isinstance(problem, BunchtrainError) else {}
            folder.set_state("failed", **why)
        raise
    folder.set_state("finished")


def _evaluate_and_export(run: Run) -> None:
    """Write the report before the exports, and again with the evaluations that read them."""
    evaluate_study(run, after_export=False)
    if run.study.export:
        write_report(run.files)
    for part in run.study.export:
        say(f"exporting to {part.name}")
        export_run(run.files, part.name, part.options)
    evaluate_study(run, after_export=True)
    write_report(run.files)


def _train(folder: RunFolder, study: Study, cache: EventCache, resume: bool, jobs: int) -> None:
    """Train and predict all models; one that fails does not keep the others from finishing."""
    names = list(model_configs(study))
    if jobs > 1 and len(names) > 1:
        failures = train_concurrently(folder, study, names, jobs, resume)
    else:
        failures = _train_in_turn(folder, study, cache, resume)
    if failures:
        name, problem = next(iter(failures.items()))
        others = f"; {', '.join(list(failures)[1:])} failed, too" if len(failures) > 1 else ""
        where = f"model '{name}': " if study.models else ""
        raise type(problem)(f"{where}{problem}{others}")


def _train_in_turn(
    folder: RunFolder, study: Study, cache: EventCache, resume: bool
) -> dict[str, BunchtrainError]:
    """Train the models one after the other and return model → why it failed."""
    failures: dict[str, BunchtrainError] = {}
    for name in model_configs(study):
        say(f"training {name}")
        try:
            train_model(folder, study, cache, name, resume=resume)
            for text in training_warnings(folder, study, name):
                say(f"warning, {name}: {text}")
        except InterruptedRun:
            raise
        except BunchtrainError as problem:
            if WorkerInfo.from_environment().world_size > 1:  # the other workers have stopped, too
                raise
            failures[name] = problem
            if study.models:
                say(f"{name} failed: {problem}")
    if not failures:
        say("predicting the test set")
        for name in model_configs(study):
            predict_model(folder, study, cache, name)
    return failures
