"""The commands for data: `bunchtrain inspect`, `init` and `fetch`."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.table import Table

from bunchtrain.cli.catalogue import AsJson
from bunchtrain.cli.output import make_console, show_json, show_rows
from bunchtrain.errors import UserError
from bunchtrain.files import write_text

out = make_console()


def inspect(
    file: Annotated[
        str, typer.Argument(metavar="FILE", help="Data file; `file.root:tree` selects a tree.")
    ],
    as_json: AsJson = False,
) -> None:
    """Show the contents of a ROOT, HDF5, Parquet, CSV, NPZ or ARFF file."""
    from bunchtrain.tables.inspect.inspection import HEADER
    from bunchtrain.tables.inspect.inspection import inspect as inspect_file

    found = inspect_file(file)
    if as_json:
        show_json(found.as_dict())
        return
    out.print(found.title, soft_wrap=True, highlight=False, style="bold")
    for table in found.tables:
        title = f"{table.name}: {table.rows}"
        show_rows(out, table.header, table.cells(), title=title, right=HEADER[2:7])
        for line in table.notes():
            out.print(line, soft_wrap=True, highlight=False)
    for line in found.notes():
        out.print(line, soft_wrap=True, highlight=False)


def init(
    files: Annotated[
        list[str], typer.Argument(metavar="FILE...", help="Data files with the same columns.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Study file to write.")] = Path(
        "study.yaml"
    ),
    target: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Column that is predicted; 'none' for no labels."),
    ] = None,
    rows: Annotated[
        list[str] | None,
        typer.Option(metavar="PREFIX", help="Object that is a row, e.g. Jet; several: repeat."),
    ] = None,
    time: Annotated[
        str | None,
        typer.Option(metavar="COLUMN", help="Time of a series; 'none' if rows have no order."),
    ] = None,
) -> None:
    """Write a commented starting study for data files, which runs without an edit."""
    from bunchtrain.tables.inspect.drafting import Hints, sketch

    if output.exists():
        raise UserError(f"{output} already exists; choose another file with -o")
    objects = rows[0] if rows and len(rows) == 1 else rows
    found = sketch(files, Hints(target, objects or None, time))
    write_text(output, found.text)
    cells = [[one.part, one.choice, one.reason] for one in found.decisions]
    show_rows(out, ("part", "decided", "why"), cells, title=f"{output} written")
    out.print(f"Next: bunchtrain run {output}", soft_wrap=True, markup=False, highlight=False)


def fetch(
    name: Annotated[
        str | None, typer.Argument(help="Published sample; all are listed if unset.")
    ] = None,
    file: Annotated[
        list[str] | None, typer.Option(help="Only matching files, e.g. 'val*'; can be repeated.")
    ] = None,
    folder: Annotated[Path | None, typer.Option(help="Destination folder.")] = None,
) -> None:
    """Download a published sample by its DOI, verified by its checksum."""
    from bunchtrain.tables.published.samples import SAMPLES
    from bunchtrain.tables.published.samples import fetch as fetch_sample

    if name is None:
        table = Table("sample", "contents", "DOI", "licence", title="Published samples")
        for key, sample in sorted(SAMPLES.items()):
            table.add_row(key, sample.title, sample.doi, sample.licence)
        out.print(table)
        return
    for path in fetch_sample(name, folder, tuple(file or ())):
        out.print(str(path), soft_wrap=True)
