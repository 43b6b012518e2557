"""Readers of ROOT, HDF5, Parquet, CSV, NPZ and ARFF files as tables of events."""

from __future__ import annotations

import re
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import Any, cast

from bunchtrain.errors import DataError, StudyError, nearest, one_of
from bunchtrain.tables.reading.file_table import FileTable
from bunchtrain.tables.reading.paths import check, open_binary

_MAGIC = {"root": b"root", "hdf5": b"\x89HDF", "parquet": b"PAR1", "npz": b"PK\x03\x04"}
_SUFFIX = {
    **{"root": "root", "h5": "hdf5", "hdf5": "hdf5", "hdf": "hdf5", "npz": "npz"},
    **{"parquet": "parquet", "pq": "parquet", "csv": "csv", "tsv": "csv", "txt": "csv"},
    **{"arff": "arff"},
}
FORMATS = (*_MAGIC, "csv", "arff")
#: Formats of text, which have no first bytes of their own.
_TEXTS = ("csv", "arff")


def find_format(path: str, format: str | None = None) -> str:
    """Return the format of a file: the given one, or from its ending, or from its first bytes.

    Raises DataError if the file is not of that format.
    """
    check(path)
    if format is not None and format not in FORMATS:
        raise StudyError(f"there is no format '{format}'; there are {one_of(FORMATS)}")
    with open_binary(path) as file:
        begin = file.read(8)
    detected = next((name for name, magic in _MAGIC.items() if begin.startswith(magic)), None)
    expected = format or _SUFFIX.get(_ending(path)) or detected or "csv"
    if expected != detected and (detected or expected not in _TEXTS):
        reason = f"it is a {detected} file" if detected else "its first bytes differ"
        raise DataError(f"'{path}' is not a {expected} file: {reason}; it may be damaged")
    return expected


def _ending(path: str) -> str:
    """Return the ending of a file name, without that of a compression: `csv` of `a.csv.gz`."""
    name = re.sub(r"\.(gz|bz2|xz|zst)$", "", path.lower().rpartition("/")[2])
    return name.rpartition(".")[2] if "." in name else ""


def table_names(path: str, format: str | None = None) -> list[str]:
    """Return the names of the tables in a file; in formats with one table it is 'events'."""
    found = find_format(path, format)
    if found in ("root", "hdf5"):
        return list(import_module(f"bunchtrain.tables.reading.{found}").tables(path))
    return ["events"]


def open_table(
    path: str,
    tree: str | None = None,
    *,
    format: str | None = None,
    names: Sequence[str] | None = None,
    header: bool | None = None,
    sampled: bool = False,
) -> FileTable:
    """Return the table of events of a file, local or remote.

    `tree` selects one of several tables; `names` and `header` are for CSV; with `sampled`, CSV
    types are those of the first block. Raises DataError for a missing or damaged file, a missing
    tree, or several trees of which none is selected.
    """
    found = find_format(path, format)
    try:
        table = _open(path, found, tree, names, header, sampled)
    except DataError:
        if format is not None or found != "csv" or _ending(path) in ("", *_SUFFIX):
            raise
        raise DataError(
            f"'{path}' has the ending '.{_ending(path)}', which is none of the formats that are "
            f"read: {one_of(FORMATS)}; it is no CSV file either, or it is damaged"
        ) from None
    table.sampled = sampled
    return table


def _open(
    path: str,
    found: str,
    tree: str | None,
    names: Sequence[str] | None,
    header: bool | None,
    sampled: bool,
) -> FileTable:
    if tree not in (None, "events") and found not in ("root", "hdf5"):
        raise DataError(f"{path} has the format {found}, which has no trees; remove 'tree'")
    if found == "csv":
        from bunchtrain.tables.reading.csv import CsvTable

        return CsvTable(path, "events", names, header, sampled)
    if found == "parquet":
        from bunchtrain.tables.reading.parquet import ParquetTable

        return ParquetTable(path, "events")
    if found == "arff":
        from bunchtrain.tables.reading.arff import ArffTable

        return ArffTable(path, "events")
    if found == "npz":
        from bunchtrain.tables.reading.npz import NpzTable

        return NpzTable(path, "events")
    return _open_tree(path, found, tree)


def _open_tree(path: str, format: str, tree: str | None) -> FileTable:
    module: Any = import_module(f"bunchtrain.tables.reading.{format}")
    if tree is not None and format == "hdf5" and module.has(path, tree):
        return cast(FileTable, module.open_table(path, tree))
    known = module.tables(path)
    if tree is not None or len(known) < 2:
        return cast(FileTable, module.open_table(path, _choose(path, known, tree)))
    filled = [name for name in known if module.open_table(path, name).entries]
    if len(filled) != 1:
        example = f"{Path(path).name}:{(filled or known)[0]}"
        raise DataError(
            f"{path} contains several trees ({one_of(known)}); name one, as in '{example}', or "
            "with 'tree' in a study"
        )
    found: FileTable = module.open_table(path, filled[0])
    found.note = f"of {len(known)} trees, '{filled[0]}' is the only one with rows"
    return found


def _choose(path: str, known: list[str], tree: str | None) -> str:
    if not known:
        raise DataError(f"{path} contains no table of events")
    if tree is None:
        return known[0]
    if tree.strip("/") not in [name.strip("/") for name in known]:
        hint = nearest(tree, known) or f"; there are {one_of(known)}"
        raise DataError(f"{path} has no tree '{tree}'{hint}")
    return tree
