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
) -> None:
    """Write a commented starting study for data files, which runs without an edit."""
    from bunchtrain.tables.inspect.drafting import sketch

    if output.exists():
        raise UserError(f"{output} already exists; choose another file with -o")
    found = sketch(files)
    write_text(output, found.text)
    out.print(f"{output} written. {found.note}", soft_wrap=True, markup=False, highlight=False)
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
