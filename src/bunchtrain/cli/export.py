"""The command `bunchtrain export`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out = Console()


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="Folder of a run.")],
    to: Annotated[str, typer.Option(help="Target; `bunchtrain parts export` lists them.")],
    options: Annotated[
        list[str] | None, typer.Argument(metavar="[KEY=VALUE]...", help="Options of the target.")
    ] = None,
    member: Annotated[str | None, typer.Option(help="One network; all if unset.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder of the files.")
    ] = None,
    file: Annotated[
        str | None, typer.Option(help="Events of the verification; the run's test set if unset.")
    ] = None,
    events: Annotated[int, typer.Option(min=1, help="Maximum number of events of the verification.")] = 100_000,
) -> None:
    """Export networks of a run, and verify the exports numerically."""
    import bunchtrain as api
    from bunchtrain.study.overrides import parse
    from bunchtrain.workflow.export import export_run

    chosen = parse(options or [])
    folder = api.open_run(run).files
    found = export_run(folder, to, chosen, model=member, output=output, file=file, events=events)
    out.print(found)
