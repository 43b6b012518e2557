"""What the published HDF5 layouts share: a wide data frame with zero-padded slots."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.tables.reading.pandas_table import PandasTable
from bunchtrain.tables.source import Source
from bunchtrain.tables.sources.files import Files, unknown_column


@dataclass(frozen=True)
class Layout:
    """Which columns of the frame hold what.

    A slot holds a particle if its column of `present` is positive.
    """

    present: list[str]
    lists: Mapping[str, list[str]]
    flat: Mapping[str, str]


class Padded(Source):
    """A data frame of pandas with a column for each slot and quantity, given as lists."""

    #: Rows of the wide frame that are read at once, at most.
    most_rows = 10_000

    def __init__(self, files: Files) -> None:
        self._files = files

    def fingerprint(self) -> str:
        """Return the files' fingerprint."""
        return self._files.fingerprint()

    @abstractmethod
    def layout(self, stored: Collection[str]) -> Layout:
        """Return where the columns are, or raise DataError if the file is of another layout."""

    def fields(self) -> dict[str, str]:
        """Return column → type."""
        known = self._files.table(0).fields
        layout = self.layout(known)
        lists = {column: f"var * {known[stored[0]]}" for column, stored in layout.lists.items()}
        flat = {column: known[stored] for column, stored in layout.flat.items()}
        return {**lists, **flat, "file_number": "int64"}

    def chunks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in their order, as records of these columns, at most `rows` at once."""
        known = self.fields()
        for column in columns:
            if column not in known:
                raise unknown_column(column, known, f"the source {type(self).__name__}")
        for number in range(len(self._files.paths)):
            yield from self._file_chunks(number, columns, min(rows, self.most_rows))

    def _file_chunks(self, number: int, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        table = self._files.table(number)
        if not isinstance(table, PandasTable):
            raise DataError(f"{table.path}: '{table.name}' is not a data frame that pandas wrote")
        layout = self.layout(table.fields)
        stored = {"": layout.present, **{n: [s] for n, s in layout.flat.items()}, **layout.lists}
        wanted = {name: stored[name] for name in ("", *columns) if name in stored}
        for block in table.matrices(wanted, rows):
            yield _records(block, columns, layout, number)


def _records(
    block: Mapping[str, Any], columns: Collection[str], layout: Layout, number: int
) -> ak.Array:
    present = block[""] > 0
    counts = present.sum(axis=1)
    made: dict[str, ak.Array] = {}
    for column in columns:
        if column == "file_number":
            made[column] = ak.Array(np.full(len(counts), number, dtype=np.int64))
        elif column in layout.lists:
            made[column] = ak.unflatten(ak.Array(block[column][present]), counts)
        else:
            made[column] = ak.Array(np.ascontiguousarray(block[column][:, 0]))
    if not made:
        return ak.Array(ak.contents.RecordArray([], [], length=len(counts)))
    return ak.zip(made, depth_limit=1)
