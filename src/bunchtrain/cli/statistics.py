"""Commands at the end of an analysis: systematic shifts, binned likelihoods, reweighting."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from bunchtrain.errors import UserError

out = Console()

RunPaths = Annotated[
    list[Path], typer.Argument(metavar="RUN...", help="A run, or runs of different folds.")
]
By = Annotated[
    list[str] | None,
    typer.Option(help="NAME or NAME=SIZE, as jet_energy_scale=0.02; can be repeated."),
]


def shift(
    runs: RunPaths,
    by: By = None,
    steps: Annotated[
        int, typer.Option(min=0, help="Also tell mean probability and its σ at so many steps.")
    ] = 0,
) -> None:
    """Tell how scores, cuts and significance move under systematic effects of one deviation."""
    import bunchtrain as api
    from bunchtrain.workflow.reactions import react
    from bunchtrain.workflow.shifting import shift as measure

    if steps and len(runs) > 1:
        raise UserError("--steps looks at one run, not at several")
    opened, by_size = [api.open_run(run) for run in runs], sizes(by or [])
    out.print(measure(opened, by_size))
    for name, size in by_size.items() if steps else ():
        out.print(react(opened[0], name, size, steps))
        out.print(f"Drawn: {runs[0]}/reaction_{name}.svg", soft_wrap=True)


def workspace(
    runs: RunPaths,
    by: By = None,
    rate: Annotated[
        list[str] | None, typer.Option(help="CLASS=UNCERTAINTY of its rate, as qcd=0.1.")
    ] = None,
    bins: Annotated[int, typer.Option(min=1, help="Bins of the score at most.")] = 10,
    least: Annotated[
        float, typer.Option(min=1, help="Effective background events that every bin needs.")
    ] = 10.0,
) -> None:
    """Write pyhf workspaces of the scores; tell expected significance and limit."""
    import bunchtrain as api
    from bunchtrain.workflow.workspaces import workspaces

    rates = {name: value for name, value in sizes(rate or []).items() if value is not None}
    opened = [api.open_run(run) for run in runs]
    out.print(workspaces(opened, sizes(by or []), rates, bins, least))
    out.print(f"Workspaces: {runs[0]}/workspaces", soft_wrap=True)


def reweight(
    runs: RunPaths,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Weights as out.root or out.parquet.")
    ] = None,
) -> None:
    """Weight one class to look like the signal class; tell how well it does."""
    import bunchtrain as api
    from bunchtrain.workflow.reweighting import reweight as measure

    out.print(measure([api.open_run(run) for run in runs], output))
    out.print(f"Closure of each input: {runs[0]}/closure.svg", soft_wrap=True)


def sizes(words: list[str]) -> dict[str, float | None]:
    """Return name → size from `name=size` or `name`.

    Raises UserError if a size is not a positive number.
    """
    found: dict[str, float | None] = {}
    for word in words:
        name, given, text = word.partition("=")
        try:
            found[name] = float(text) if given else None
        except ValueError:
            raise UserError(f"'{word}': the size '{text}' is not a number") from None
        if given and not float(text) > 0:
            raise UserError(f"'{word}': the size must be above 0")
    return found
