"""One study from start to finish: its graph of stages, run in the folder of a run."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from bunchtrain.errors import (
    BunchtrainError,
    InterruptedRun,
    RunError,
    StudyError,
    nearest,
    shorten,
)
from bunchtrain.files import as_path
from bunchtrain.parts import report_own_errors
from bunchtrain.progress_events import report_stage
from bunchtrain.study import Study, load, model_configs, select_models
from bunchtrain.study.stage_checks import stage_names
from bunchtrain.workflow import launch
from bunchtrain.workflow.concurrent_trainings import choose_executor, run_concurrently
from bunchtrain.workflow.environment import environment
from bunchtrain.workflow.export import check_exports
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.build import build_graph
from bunchtrain.workflow.graph.engine import Engine
from bunchtrain.workflow.live_progress import live_progress
from bunchtrain.workflow.preparation import check_models, event_cache
from bunchtrain.workflow.progress import RUN
from bunchtrain.workflow.run import Run
from bunchtrain.workflow.starts import check_starts, copy_starts
from bunchtrain.workflow.trainings import train_model
from bunchtrain.workflow.transforms import make_transforms


def run(
    study: Study | str | Path,
    *assignments: str,
    size: str | None = None,
    runs: Path | str = "runs",
    only: Iterable[str] = (),
    jobs: int | None = None,
    again: Iterable[str] = (),
    reuse: bool = True,
) -> Run:
    """Run a study: data, training, predictions, evaluations, report, exports.

    Stages of which another run of the study under `runs` has the result are not run again.

    study        a loaded study, or the first argument of `load`.
    assignments  dotted overrides, `"training.epochs=5"`, where the study is not loaded yet.
    size         `demo`, `small` or `full`.
    runs         folder in which `<study>/<time>/` is created.
    only         names of the models to train, or of stages to run with all that they need; all
                 if empty.
    jobs         maximum number of concurrent trainings; as many as fit if None.
    again        names of stages to run with all that depend on them, whatever other runs have.
    reuse        whether results are taken from other runs.

    Raises StudyError and DataError for the user's mistakes, before long work where possible;
    InterruptedRun if it was stopped and can be resumed.
    """
    chosen = study if isinstance(study, Study) else load(study, *assignments, size=size)
    runs = as_path(runs, "the folder of runs")
    _check_jobs(jobs)
    chosen, wanted = _choose(chosen, _names(only, "only"))
    make_transforms(chosen)
    check_models(chosen)
    check_exports(chosen)
    launch.check_engines(chosen)
    launch.check_machine(chosen)
    if not launch.is_leader():
        folder = launch.join(Path(runs) / chosen.name)
        return _follow(folder, folder.study(), resume=False)
    again = [full for name in _names(again, "again") for full in stage_names(chosen, name)]
    _check_stages(chosen, Path(runs), [*wanted, *again])
    check_starts(chosen, Path(runs))
    folder = RunFolder.create(chosen, Path(runs))
    with folder.locked():
        copy_starts(folder, chosen)
        launch.announce(folder)
        return _run_graph(folder, resume=False, jobs=jobs, wanted=wanted, fresh=again, reuse=reuse)


def _check_jobs(jobs: object) -> None:
    """Raise StudyError for anything else than a positive number of trainings at the same time."""
    if jobs is not None and (type(jobs) is not int or jobs < 1):
        raise StudyError(f"jobs must be a whole number of at least 1, got {shorten(jobs)}")


def _names(given: Iterable[str], key: str) -> list[str]:
    """Return names as a list; raise StudyError for anything else than texts."""
    found = [given] if isinstance(given, str) or not isinstance(given, Iterable) else list(given)
    if not all(isinstance(name, str) for name in found):
        raise StudyError(f"{key}: give names of models or stages, got {shorten(given)}")
    return found


def _choose(study: Study, only: Sequence[str]) -> tuple[Study, list[str]]:
    """Return the study with the chosen models, or as it is and the chosen stages."""
    models = model_configs(study)
    known = {*models, *(one.curve for one in models.values())}
    others = [name for name in only if name not in known]
    if not others:
        return select_models(study, only), []
    graph = build_graph(RunFolder(Path()), study)
    stages = {name: stage_names(study, name) for name in others}
    for name, full in stages.items():
        if not graph.keys() >= set(full):
            raise _unknown(name, "model or stage", [*known, *graph])
    if len(others) < len(only):
        model = next(name for name in only if name in known)
        raise StudyError(
            f"only: '{model}' is a model and '{others[0]}' a stage; name models alone, or stages "
            f"alone, such as 'train.{model}'"
        )
    return study, [full for name in only for full in stages[name]]


def _unknown(name: str, what: str, known: Collection[str]) -> StudyError:
    """Return the error of a name that is none of the known ones, with the nearest."""
    hint = nearest(name, known) or f"; there are {', '.join(list(known)[:8])}, …"
    return StudyError(f"there is no {what} '{name}'{hint}")


def _check_stages(study: Study, runs: Path, names: Collection[str]) -> None:
    """Raise StudyError, with the nearest name, for a stage that the study does not have."""
    graph = build_graph(RunFolder(runs / study.name / "new"), study)
    for name in names:
        if name not in graph:
            raise _unknown(name, "stage", graph)


def _follow(folder: RunFolder, study: Study, resume: bool) -> Run:
    """Take part in the distributed trainings of worker 0, which does all the rest."""
    cache = event_cache(study)
    for name in model_configs(study):
        train_model(folder, study, cache, name, resume=resume)
    return Run(folder)


def resume(path: Path | str, jobs: int | None = None) -> Run:
    """Resume an interrupted run, with the same result as without interruption.

    Raises RunError if there is no run in this folder, if another process runs it, if a file of it
    is damaged or was edited, or if the source has other events now.
    """
    folder = RunFolder.open(path)
    _check_jobs(jobs)
    if not launch.is_leader():
        return _follow(folder, folder.study(), resume=True)
    with folder.locked():
        folder.manifest.check(resumed=True)
        if not (folder.path / "environment.json").is_file():  # a run of release 0.1
            folder.manifest.write_json(folder.path / "environment.json", environment())
        copy_starts(folder, folder.study())
        return _run_graph(folder, resume=True, jobs=jobs)


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


def _run_graph(
    folder: RunFolder,
    *,
    resume: bool,
    jobs: int | None,
    wanted: Sequence[str] = (),
    fresh: Sequence[str] = (),
    reuse: bool = True,
) -> Run:
    study = folder.study()
    with _recorded_state(folder, is_complete=not wanted):
        engine = Engine(build_graph(folder, study), folder, study, resume, reuse, fresh)
        executor = choose_executor(study, jobs)
        engine.jobs = executor.workers
        engine.executor = executor if study.executor.name != "sequential" else None
        if executor.workers > 1 or executor.is_remote:
            engine.concurrent = lambda stages: run_concurrently(folder, study, stages, executor)
        with live_progress(folder, len(engine.graph)), report_stage(folder.path, RUN):
            engine.run(wanted or None)
    return Run(folder)


@contextmanager
def _recorded_state(folder: RunFolder, is_complete: bool) -> Iterator[None]:
    """Write the state of the run at the end; an error before a step leaves that of a former end.

    is_complete  whether all stages are run; else the run can be resumed.
    """
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
    folder.set_state("finished" if is_complete else "interrupted")
