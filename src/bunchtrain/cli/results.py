"""The commands for finished runs: `predict`, `evaluate`, `compare`, `report` and `export`."""

from __future__ import annotations

import warnings
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from bunchtrain.cli.output import make_console
from bunchtrain.errors import DeprecatedKey, UserError

if TYPE_CHECKING:
    from bunchtrain.workflow.predict_new_events import Counts

out = make_console()

Workers = Annotated[
    int, typer.Option(min=1, max=4096, help="Number of processes; the result is the same.")
]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]


def predict(
    run: RunPath,
    files: Annotated[
        list[str],
        typer.Argument(
            metavar="FILE...", help="Files of events, or globs; labels need not be there."
        ),
    ],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="Output file: .csv, .h5, .parquet or .root.")
    ],
    all_events: Annotated[
        bool, typer.Option("--all-events", help="Predict also events that `select` excludes.")
    ] = False,
    per_object: Annotated[
        bool, typer.Option("--per-object", help="One row per object of `rows`, not per event.")
    ] = False,
    workers: Workers = 1,
) -> None:
    """Write the predictions for files: one row per event, in the order of the files.

    With `rows: Jet` in the study the predictions are lists, in the order of the event's jets. With
    `windows`, those of a window are in its last row, and rows in which none ends have NaN.
    """
    from bunchtrain.tables.reading.paths import check, resolve
    from bunchtrain.tables.writing import output_format

    output_format(output)
    for path, _ in resolve(files):
        check(path)
    import bunchtrain as api
    from bunchtrain.workflow.executors.processes import Processes
    from bunchtrain.workflow.wide.prediction import predict_wide

    opened = api.open_run(run)
    wide = partial(predict_wide, Processes(workers=workers), output.parent, run)
    found = opened.write_predictions(
        files, output, not all_events, per_object, wide if workers > 1 else None
    )
    what = "windows" if opened.study.windows else "objects"
    out.print(f"{output}: {_counted(found, per_object, what)}", soft_wrap=True)


def _counted(found: Counts, per_object: bool, what: str) -> str:
    text = f"{found.events:,} {'rows' if per_object else 'events'}"
    if found.objects != found.events:
        text += f" of {found.objects:,} {what}"
    if found.selected == found.objects:
        return text
    none = "none" if not found.selected else f"{found.selected:,}"
    return f"{text}, of which 'select' selects {none}; the predictions of the others are NaN"


def generate(
    run: Annotated[Path, typer.Argument(help="Folder of a run.", show_default=False)],
    output: Annotated[
        Path,
        typer.Option(
            "-o", "--output", help="File: .csv, .h5, .parquet or .root.", show_default=False
        ),
    ],
    rows: Annotated[int, typer.Option(min=1, max=10**9, help="Number of events.")] = 10_000,
    model: Annotated[
        str | None, typer.Option(help="Model; the first that generates if unset.")
    ] = None,
    conditions: Annotated[
        str | None, typer.Option(help="File with the columns of the condition, one row an event.")
    ] = None,
    seed: Annotated[int, typer.Option(min=0, max=2**32 - 1, help="Seed.")] = 1,
    workers: Workers = 1,
) -> None:
    """Generate events with a trained model of a run."""
    import bunchtrain as api
    from bunchtrain.tables.sources.files import Files
    from bunchtrain.tables.transforms.conditions import write_conditions
    from bunchtrain.tables.writing import output_format, write_table
    from bunchtrain.workflow.executors.processes import Processes
    from bunchtrain.workflow.generate import ROWS, TREE, find_generator, generate_events
    from bunchtrain.workflow.preparation import open_conditions
    from bunchtrain.workflow.wide.generation import generate_wide

    opened = api.open_run(run)
    given = None if conditions is None else Files(files=conditions)
    name = find_generator(opened.models, model)[0]
    if workers > 1 and rows > ROWS:
        chosen, place = Processes(workers=workers), opened.files.model(name)
        events = generate_wide(chosen, output.parent, place, rows, given, seed)
    else:
        events = generate_events(opened.models, rows, name, given, seed)
    about = opened.describe_output([name])
    if output_format(output) != "csv":
        beside = write_conditions(output, open_conditions(opened.study, None))
        about = replace(about, conditions=beside)
    write_table(output, events, TREE, about.as_mapping())
    out.print(f"{rows:,} events: {output}", soft_wrap=True)


def evaluate(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="`bunchtrain parts evaluation` lists evaluations.")
    ],
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN... [KEY=VALUE]...",
            help="Folder of a run, or of one run for each fold, and options of the evaluation.",
        ),
    ],
) -> None:
    """Evaluate finished runs and add the results to the report."""
    import bunchtrain as api
    from bunchtrain.study.overrides import apply, parse

    folders = [word for word in words if "=" not in word or Path(word).is_dir()]
    if not folders:
        raise UserError("give the folder of at least one RUN")
    options = apply({}, parse([word for word in words if word not in folders]))
    runs = [api.open_run(folder) for folder in folders]
    out.print(api.evaluate(runs, name, **options))
    out.print(f"Report: {runs[0].files.report_file}", soft_wrap=True)


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    output: Annotated[
        Path, typer.Option("-o", "--output", help="File for the ROC plot: .svg, .pdf or .png.")
    ] = Path("compare.svg"),
) -> None:
    """Compare runs in one table and one ROC plot."""
    import bunchtrain as api
    from bunchtrain.workflow.compare import check_picture

    check_picture(output)
    comparison = api.compare([api.open_run(path) for path in runs])
    out.print(comparison)
    comparison.save(output)
    out.print(f"ROC: {output}", soft_wrap=True)


def report(run: RunPath) -> None:
    """Regenerate the report of a run."""
    import bunchtrain as api

    out.print(f"Report: {api.open_run(run).report()}", soft_wrap=True)


def export(
    run: RunPath,
    to: Annotated[
        str, typer.Option(help="Export target; `bunchtrain parts export` lists the targets.")
    ],
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Options of the target.")
    ] = None,
    model: Annotated[str | None, typer.Option(help="One model; all if unset.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Output folder.")] = None,
    file: Annotated[
        str | None, typer.Option(help="File of events for the verification; the test set if unset.")
    ] = None,
    events: Annotated[
        int, typer.Option(min=1, help="Maximum number of events for the verification.")
    ] = 100_000,
    member: Annotated[str | None, typer.Option(hidden=True)] = None,
) -> None:
    """Export models of a run and verify that the exports give the same predictions."""
    import bunchtrain as api
    from bunchtrain.study.overrides import parse
    from bunchtrain.workflow.export import export_run

    if member is not None:
        text = "--member is now --model; the next release will not accept it"
        warnings.warn(text, DeprecatedKey, stacklevel=2)
    found = export_run(
        api.open_run(run).files,
        to,
        parse(options or []),
        model=model or member,
        output=output,
        file=file,
        events=events,
    )
    out.print(found)
