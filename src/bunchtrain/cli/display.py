"""The command `bunchtrain display`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from bunchtrain.cli.output import make_console
from bunchtrain.errors import UserError
from bunchtrain.files import write_text

out = make_console()


def display(
    what: Annotated[
        str,
        typer.Argument(
            metavar="RUN", help="Folder of a run; also a study, for its source, or a data file."
        ),
    ],
    event: Annotated[
        int,
        typer.Option(
            min=0, max=2**62, help="Index of the event: in the test set of a run, else in the file."
        ),
    ] = 0,
    output: Annotated[
        Path | None,
        typer.Option("-o", "--output", help="HTML file; display_EVENT.html if unset."),
    ] = None,
    group: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX", help="List that is shown, e.g. Jet; several: repeat."),
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="Model whose predictions are shown; the first if unset.")
    ] = None,
    points: Annotated[
        int, typer.Option(min=1, max=200_000, help="Points of a list that are drawn at most.")
    ] = 20_000,
) -> None:
    """Write a page that shows an event: hits, jets, decays or images, truth beside prediction."""
    from bunchtrain.displays import page
    from bunchtrain.displays.content import Limits
    from bunchtrain.workflow.displays import display_of

    is_run = (Path(what) / "status.json").is_file()
    name = f"display_{event}.html"
    path = output or (Path(what) / name if is_run else Path(name))
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"'{path}': a display is an HTML file; give a name that ends in .html")
    if not path.parent.is_dir():
        raise UserError(f"'{path}': there is no folder '{path.parent}'; create it")
    found = display_of(what, event, tuple(group or ()), model, Limits(points=points))
    write_text(path, page(found))
    for note in found.payload["notes"]:
        out.print(note, soft_wrap=True, markup=False, highlight=False)
    out.print(f"Display: {path}", soft_wrap=True, markup=False, highlight=False)
