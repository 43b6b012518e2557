"""Base class of published HDF5 layouts: a wide data frame with zero-padded particle slots."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.tables.reading.pandas_table import PandasTable
from bunchtrain.tables.sources.files import Files, unknown_column
from bunchtrain.tables.table import Piece, Table


@dataclass(frozen=True)
class Layout:
    """Mapping of the columns of the frame to lists and flat columns.

    A slot contains a particle if its column of `present` is positive.
    """

    present: list[str]
    lists: Mapping[str, list[str]]
    flat: Mapping[str, str]


class Padded(Table):
    """A pandas data frame with a column for each slot and quantity, converted to lists.

    files  path or glob, or a list of them.
    key    key of the table in the file.
    """

    #: Maximum number of rows of the wide frame per chunk.
    max_rows = 10_000

    def __init__(self, files: Files) -> None:
        self._files = files

    def fingerprint(self) -> str:
        """Return the fingerprint of the files."""
        return self._files.fingerprint()

    @abstractmethod
    def layout(self, stored: Collection[str]) -> Layout:
        """Return the layout of these columns, or raise DataError if the file has another one."""

    def fields(self) -> dict[str, str]:
        """Return column → type."""
        known = self._files.table(0).fields()
        layout = self.layout(known)
        lists = {column: f"var * {known[stored[0]]}" for column, stored in layout.lists.items()}
        flat = {column: known[stored] for column, stored in layout.flat.items()}
        return {**lists, **flat, "file_number": "int64"}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in order, as records of these columns, in chunks of at most `rows`."""
        self._check(columns)
        for file in range(len(self._files.paths)):
            yield from self._file_chunks(file, columns, rows, 0, None)

    def pieces(self, rows: int) -> list[Piece]:
        """Return ranges of the files."""
        return self._files.pieces(min(rows, self.max_rows))

    def blocks_of(self, piece: Piece, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the rows of a piece."""
        self._check(columns)
        yield from self._file_chunks(piece.file, columns, rows, piece.start, piece.stop)

    def _check(self, columns: Collection[str]) -> None:
        known = self.fields()
        for column in columns:
            if column not in known:
                raise unknown_column(column, known, f"the source {type(self).__name__}")

    def _file_chunks(
        self, file: int, columns: Collection[str], rows: int, start: int, stop: int | None
    ) -> Iterator[ak.Array]:
        table = self._files.table(file)
        if not isinstance(table, PandasTable):
            raise DataError(f"{table.path}: '{table.name}' is not a pandas data frame")
        layout = self.layout(table.fields())
        stored = {"": layout.present, **{n: [s] for n, s in layout.flat.items()}, **layout.lists}
        groups = {name: stored[name] for name in ("", *columns) if name in stored}
        for block in table.matrices(groups, min(rows, self.max_rows), start, stop):
            yield _records(block, columns, layout, file)


def _records(
    block: Mapping[str, Any], columns: Collection[str], layout: Layout, file: int
) -> ak.Array:
    present = block[""] > 0
    counts = present.sum(axis=1)
    made: dict[str, ak.Array] = {}
    for column in columns:
        if column == "file_number":
            made[column] = ak.Array(np.full(len(counts), file, dtype=np.int64))
        elif column in layout.lists:
            made[column] = ak.unflatten(ak.Array(block[column][present]), counts)
        else:
            made[column] = ak.Array(np.ascontiguousarray(block[column][:, 0]))
    if not made:
        return ak.Array(ak.contents.RecordArray([], [], length=len(counts)))
    return ak.zip(made, depth_limit=1)
