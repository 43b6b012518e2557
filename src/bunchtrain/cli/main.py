"""The command `bunchtrain`: each sub-command is a short function over the Python interface."""

from __future__ import annotations

import json
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from bunchtrain.cli import statistics
from bunchtrain.cli.capsules import capsules
from bunchtrain.cli.evaluate import evaluate
from bunchtrain.cli.export import export
from bunchtrain.errors import BunchtrainError

app = typer.Typer(
    help="From particle-collision data to a trained, measured and explained network.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)
out = Console()
err = Console(stderr=True, soft_wrap=True)


class Size(StrEnum):
    """How much data and time a study takes."""

    demo = "demo"
    small = "small"
    full = "full"


StudyName = Annotated[str, typer.Argument(metavar="STUDY", help="Name, file or folder of a study.")]
Overrides = Annotated[
    list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Dotted overrides.")
]
SizeOption = Annotated[Size | None, typer.Option("--size", help="Overrides listed by the study.")]
RunPath = Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")]


@app.command()
def run(
    study: Annotated[
        str | None, typer.Argument(metavar="STUDY", help="Name, file or folder of a study.")
    ] = None,
    overrides: Overrides = None,
    size: SizeOption = None,
    resume: Annotated[Path | None, typer.Option(help="Go on with an interrupted run.")] = None,
    runs: Annotated[Path, typer.Option(help="Folder in which runs are kept.")] = Path("runs"),
    only: Annotated[str, typer.Option(help="Only these members: NAME,NAME.")] = "",
    jobs: Annotated[
        int | None, typer.Option(min=1, help="Members at once; as many as fit if unset.")
    ] = None,
) -> None:
    """Run a study from data to report."""
    import bunchtrain as api
    from bunchtrain.errors import StudyError
    from bunchtrain.study import load
    from bunchtrain.workflow.launch import is_leader

    if resume is not None:
        if study is not None or size is not None:
            raise StudyError("--resume takes the study from its run; give no STUDY and no --size")
        done = api.resume(resume, jobs=jobs)
    elif study is None:
        raise StudyError("name a STUDY, or a run with --resume; `bunchtrain studies` lists them")
    else:
        chosen = load(study, *(overrides or []), size=size)
        chosen_members = [name for name in only.split(",") if name]
        done = api.run(chosen, runs=runs, only=chosen_members, jobs=jobs)
    if is_leader():
        out.print(done)
        out.print(f"Report: {done.files.report_file}", soft_wrap=True)


@app.command()
def inspect(
    file: Annotated[str, typer.Argument(metavar="FILE", help="`file.root:tree` names a tree.")],
) -> None:
    """Tell what is in a ROOT, HDF5, Parquet, CSV or NPZ file."""
    from bunchtrain.tables.inspect.inspection import inspect as look

    out.print(look(file))


@app.command()
def init(
    files: Annotated[list[str], typer.Argument(metavar="FILE...", help="Files of one layout.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="Study to write.")] = Path(
        "study.yaml"
    ),
) -> None:
    """Write a commented starting study for these files."""
    from bunchtrain.errors import UserError
    from bunchtrain.files import write_text
    from bunchtrain.tables.inspect.drafting import draft

    if output.exists():
        raise UserError(f"{output} is there already; name another file with -o")
    write_text(output, draft(files))
    out.print(f"{output} is written: look it over, then `bunchtrain run {output}`", soft_wrap=True)


@app.command()
def predict(
    run: RunPath,
    file: Annotated[str, typer.Argument(metavar="FILE", help="Events, as the study reads them.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="out.root or out.parquet.")],
) -> None:
    """Write a run's scores for a file, one row an event, in the file's order."""
    import bunchtrain as api

    rows = api.open_run(run).predict(file, output)
    out.print(f"{output}: {rows} events", soft_wrap=True)


@app.command()
def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN...", help="Folders of runs.")],
    output: Annotated[Path, typer.Option("-o", "--output", help="The overlaid ROC.")] = Path(
        "compare.svg"
    ),
) -> None:
    """Put runs side by side: one table and one overlaid ROC."""
    import bunchtrain as api

    comparison = api.compare([api.open_run(path) for path in runs])
    out.print(comparison)
    comparison.save(output)
    out.print(f"ROC: {output}", soft_wrap=True)


@app.command()
def report(run: RunPath) -> None:
    """Make a run's report anew."""
    import bunchtrain as api

    out.print(f"Report: {api.open_run(run).report()}", soft_wrap=True)


@app.command()
def tune(
    study: StudyName,
    overrides: Overrides = None,
    size: SizeOption = None,
    space: Annotated[
        Path | None, typer.Option(help="YAML: dotted key → {low, high, log} or {choices}.")
    ] = None,
    metric: Annotated[str, typer.Option(help="Figure of the validation set.")] = "auc",
    trials: Annotated[int, typer.Option(min=1, help="Trials in all.")] = 20,
    workers: Annotated[int, typer.Option(min=1, help="Trials at once.")] = 1,
    engine: Annotated[str, typer.Option(help="`ray` or `local`.")] = "ray",
    only: Annotated[str, typer.Option(help="The member to search for, of several.")] = "",
    folder: Annotated[Path | None, typer.Option(help="Search to begin or to go on with.")] = None,
) -> None:
    """Search any fields of a study for the best physics figure."""
    from bunchtrain.study import load, select_models
    from bunchtrain.workflow.tune import search

    chosen = select_models(load(study, *(overrides or []), size=size), [only] if only else [])
    found = search(
        chosen, space, metric=metric, trials=trials, workers=workers, engine=engine, folder=folder
    )
    out.print(found)


@app.command()
def parts(
    kind: Annotated[str | None, typer.Argument(help="One kind: model, represent, …")] = None,
    name: Annotated[str | None, typer.Argument(help="One part, with its options.")] = None,
    targets: Annotated[
        bool, typer.Option("--targets", help="Which model can be exported where; asks them all.")
    ] = False,
) -> None:
    """List the parts that a study can name, with their papers and options."""
    from bunchtrain.cli.listing import one_part, part_table, target_table

    if targets:
        out.print(target_table())
        return
    out.print(one_part(kind, name) if kind and name else part_table(kind))


@app.command()
def studies() -> None:
    """List the studies that can be run by name."""
    from bunchtrain.cli.listing import study_table

    out.print(study_table())


@app.command()
def schema() -> None:
    """Print the JSON schema of a study."""
    from bunchtrain.study import json_schema

    print(json.dumps(json_schema(), indent=2, default=str))


@app.command()
def fetch(
    name: Annotated[
        str | None, typer.Argument(help="Published sample; all are listed if unset.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(help="Only files like this, as 'val*'; can be repeated.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Where it is put.")] = None,
) -> None:
    """Get a published sample by its DOI, checked against its checksum."""
    from bunchtrain.cli.listing import sample_table
    from bunchtrain.tables.published.samples import fetch as get

    if name is None:
        out.print(sample_table())
        return
    for path in get(name, folder, tuple(file or ())):
        out.print(str(path), soft_wrap=True)


app.command()(export)
app.command()(evaluate)
app.command()(capsules)
app.command()(statistics.shift)
app.command()(statistics.workspace)
app.command()(statistics.reweight)


def main() -> NoReturn:
    """Run the command; every failure that a user can mend is one sentence on standard error."""
    try:
        app()
    except BunchtrainError as problem:
        err.print(f"bunchtrain: {problem}", markup=False, highlight=False)
        sys.exit(problem.exit_code)
    except KeyboardInterrupt:
        err.print("bunchtrain: interrupted", markup=False, highlight=False)
        sys.exit(130)
    sys.exit(0)
