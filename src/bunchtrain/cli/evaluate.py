"""The command `bunchtrain evaluate`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out = Console()


def evaluate(
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="Evaluation; `bunchtrain parts evaluation`.")
    ],
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="RUN... [KEY=VALUE]...",
            help="A run, or runs of different folds, and options of the evaluation.",
        ),
    ],
) -> None:
    """Evaluate finished runs, and add the results to the report."""
    import bunchtrain as api
    from bunchtrain.errors import UserError
    from bunchtrain.study.overrides import parse

    folders = [word for word in words if "=" not in word or Path(word).is_dir()]
    if not folders:
        raise UserError("name the folder of a RUN")
    options = parse([word for word in words if word not in folders])
    runs = [api.open_run(folder) for folder in folders]
    out.print(api.evaluate(runs, name, **options))
    out.print(f"Report: {runs[0].files.report_file}", soft_wrap=True)
