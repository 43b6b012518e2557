"""The commands `bunchtrain run` and `bunchtrain tune`."""

from __future__ import annotations

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from bunchtrain.cli.output import make_console
from bunchtrain.errors import StudyError

out = make_console()


class Size(StrEnum):
    """How much data and time a study takes."""

    demo = "demo"
    small = "small"
    full = "full"


StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name, file or folder of a study.")]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="[KEY=VALUE]...", help="Overrides, e.g. training.epochs=5."),
]
SizeOption = Annotated[
    Size | None,
    typer.Option(
        "--size", help="Size of data and training, as defined under `sizes` in the study."
    ),
]


def run(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="Name, file or folder of a study.")
    ] = None,
    overrides: Overrides = None,
    size: SizeOption = None,
    resume: Annotated[Path | None, typer.Option(help="Resume an interrupted run.")] = None,
    runs: Annotated[Path, typer.Option(help="Parent folder of runs.")] = Path("runs"),
    only: Annotated[
        list[str] | None,
        typer.Option(
            help="Train only these models, or run only these stages and what they need: NAME,NAME."
        ),
    ] = None,
    again: Annotated[
        list[str] | None,
        typer.Option("--from", help="Run these stages, and all that depend on them, again."),
    ] = None,
    fresh: Annotated[
        bool, typer.Option("--fresh", help="Take no result from earlier runs of the study.")
    ] = False,
    jobs: Annotated[
        int | None,
        typer.Option(min=1, help="Maximum concurrent trainings; as many as fit if unset."),
    ] = None,
) -> None:
    """Run a study: data, training, evaluations, report and exports."""
    import bunchtrain as api
    from bunchtrain.study import load
    from bunchtrain.workflow.launch import is_leader

    if resume is not None:
        if study is not None or size is not None:
            raise StudyError(
                "--resume reads the study from the run; give no STUDY, no KEY=VALUE and no --size"
            )
        done = api.resume(resume, jobs=jobs)
    elif study is None:
        raise StudyError(
            "give a STUDY, or a run with --resume; `bunchtrain studies` lists the studies"
        )
    else:
        wanted, begun = _names(only, "--only"), _names(again, "--from")
        chosen = load(study, *(overrides or []), size=size)
        done = api.run(chosen, runs=runs, only=wanted, jobs=jobs, again=begun, reuse=not fresh)
    if not is_leader():
        return
    if done.files.state == "finished":
        out.print(done)
        out.print(f"Report: {done.files.report_file}", soft_wrap=True)
    else:
        out.print(f"Run: {done.folder}", soft_wrap=True)
        out.print(f"Other stages: bunchtrain run --resume {done.folder}", soft_wrap=True)


def _names(given: list[str] | None, option: str) -> list[str]:
    found = [name.strip() for text in given or () for name in text.split(",") if name.strip()]
    if given and not found:
        raise StudyError(f"{option}: there is no name; give one, or several as {option} NAME,NAME")
    return found


def stage(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    names: Annotated[
        list[str], typer.Argument(metavar="STAGE...", help="Stages whose inputs are finished.")
    ],
) -> None:
    """Run stages of a run in this process, as jobs of a cluster do."""
    from bunchtrain.workflow.folder import RunFolder
    from bunchtrain.workflow.live_progress import live_progress
    from bunchtrain.workflow.stage_process import run_in_this_process

    with live_progress(RunFolder.open(run), len(names)):
        run_in_this_process(run, names)


def tune(
    study: StudyName,
    overrides: Overrides = None,
    size: SizeOption = None,
    space: Annotated[
        Path | None, typer.Option(help="YAML file: key → {low, high, log} or {choices}.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Validation metric to optimise.")] = "auc",
    trials: Annotated[int, typer.Option(min=1, help="Total number of trials.")] = 20,
    workers: Annotated[int, typer.Option(min=1, help="Maximum concurrent trials.")] = 1,
    engine: Annotated[str, typer.Option(help="`ray` or `local`.")] = "ray",
    only: Annotated[str, typer.Option(help="Model to tune, if the study has several.")] = "",
    folder: Annotated[Path | None, typer.Option(help="Folder of a new or resumed search.")] = None,
) -> None:
    """Optimise hyperparameters: the values of any keys of a study."""
    from bunchtrain.study import load, select_models
    from bunchtrain.workflow.tune import search

    chosen = select_models(load(study, *(overrides or []), size=size), [only] if only else [])
    found = search(
        chosen, space, metric=metric, trials=trials, workers=workers, engine=engine, folder=folder
    )
    out.print(found)
