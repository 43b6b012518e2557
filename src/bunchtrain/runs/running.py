"""One study from start to finish, in steps that are skipped where a resumed run has them done."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from bunchtrain.columns.cache import EventCache
from bunchtrain.errors import BunchtrainError, InterruptedRun, RunError
from bunchtrain.files import write_json
from bunchtrain.runs import launch
from bunchtrain.runs.environment import environment
from bunchtrain.runs.figures import measure
from bunchtrain.runs.folder import RunFolder
from bunchtrain.runs.outcome import Outcome
from bunchtrain.runs.predictions import write_predictions
from bunchtrain.runs.preparation import check_networks, event_cache, task
from bunchtrain.runs.progress import counting, say
from bunchtrain.runs.result import Run
from bunchtrain.study import Study, load, members, only_members
from bunchtrain.training import train
from bunchtrain.training.artefact import Artefact


def run(
    study: Study | str | Path,
    *assignments: str,
    size: str | None = None,
    runs: Path | str = "runs",
    only: Sequence[str] = (),
) -> Run:
    """Run a study: data, training, predictions, figures, report.

    study        a loaded study, or what `load` takes.
    assignments  dotted overrides, `"training.epochs=5"`, where the study is not loaded yet.
    size         `demo`, `small` or `full`.
    runs         folder in which `<study>/<time>/` is made.
    only         names of the networks to be trained; all if empty.

    Raises StudyError and DataError for the user's mistakes, before long work where they can be
    known; InterruptedRun if it was stopped and can be resumed.
    """
    chosen = study if isinstance(study, Study) else load(study, *assignments, size=size)
    chosen = only_members(chosen, only)
    check_networks(chosen)
    launch.check_engines(chosen)
    if not launch.is_leader():
        return _follow(launch.join(Path(runs) / chosen.name), chosen, resume=False)
    folder = RunFolder.create(chosen, Path(runs))
    launch.announce(folder)
    write_json(folder.path / "environment.json", environment())
    return _steps(folder, chosen, resume=False)


def _follow(folder: RunFolder, study: Study, resume: bool) -> Run:
    """Train with worker 0; it writes the figures."""
    cache = event_cache(study)
    for name in members(study):
        _trained(folder, study, cache, name, resume)
    return Run(folder)


def resume(path: Path | str) -> Run:
    """Go on with an interrupted run, to the same figures as if it had not been.

    Raises RunError if there is no run in this folder.
    """
    folder = RunFolder.open(path)
    if not launch.is_leader():
        return _follow(folder, folder.study(), resume=True)
    return _steps(folder, folder.study(), resume=True)


def open_run(path: Path | str) -> Run:
    """Return a finished run.

    Raises RunError if it is not finished, with the command that resumes it.
    """
    folder = RunFolder.open(path)
    if folder.state != "finished":
        raise RunError(f"{path} is {folder.state}: bunchtrain run --resume {path}")
    return Run(folder)


def _steps(folder: RunFolder, study: Study, resume: bool) -> Run:
    folder.set_state("running")
    try:
        _prepare_train_measure(folder, study, resume)
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


def _prepare_train_measure(folder: RunFolder, study: Study, resume: bool) -> None:
    with counting("events") as progress:
        cache = event_cache(study, progress)
    write_json(folder.path / "data.json", {**cache.manifest, "folder": str(cache.folder)})
    networks = {name: _trained(folder, study, cache, name, resume) for name in members(study)}
    if not folder.predictions_file.is_file():
        say("predicting the test set")
        rates = write_predictions(study, cache, networks, folder.predictions_file, "test")
        for name, rate in rates.items():
            write_json(folder.member(name) / "prediction.json", {"events_per_second": rate})
    write_json(folder.metrics_file, measure(Outcome(study, folder.predictions_file)))
    say("writing the report")
    Run(folder).report()


def _trained(
    folder: RunFolder, study: Study, cache: EventCache, name: str, resume: bool
) -> Artefact:
    place = folder.member(name)
    say(f"training {name}")
    return train(task(study, members(study)[name], cache.folder, place), resume=resume)
