"""The command `generate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bunchtrain.cli.output import make_console

out = make_console()


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
) -> None:
    """Generate events with a trained model of a run."""
    import bunchtrain as api
    from bunchtrain.workflow.generate import read_conditions, write_generated

    opened = api.open_run(run)
    given = None if conditions is None else read_conditions(conditions, rows)
    write_generated(opened.models, rows, output, name=model, conditions=given, seed=seed)
    out.print(f"{rows:,} events: {output}", soft_wrap=True)
