"""ARFF files, the format of OpenML: a header of `@attribute` lines, then comma-separated rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import awkward as ak
import pyarrow as pa
import pyarrow.csv as pc

from bunchtrain.errors import DataError
from bunchtrain.tables.reading.table import read_errors

_ATTRIBUTE = re.compile(r"@attribute\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))\s+(.+)", re.IGNORECASE)
_NUMBERS = ("numeric", "real", "integer")


class ArffTable:
    """A dense ARFF file of numbers and of nominal values, which are read as text.

    Raises DataError for any other header.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.types: dict[str, pa.DataType] = {}
        with read_errors(path), open(path, encoding="utf-8") as file:
            for index, line in enumerate(file):
                if line.strip().lower() == "@data":
                    self._skip = index + 1
                    break
                self._declare(line)
            else:
                raise DataError(f"{path}: no line '@data'; is it an ARFF file?")

    def _declare(self, line: str) -> None:
        found = _ATTRIBUTE.match(line.strip())
        if found is None:
            return
        name, kind = next(filter(None, found.groups()[:3])), found[4].strip()
        if kind.lower() not in _NUMBERS and not kind.startswith("{"):
            raise DataError(
                f"{self.path}: attribute '{name}' has type '{kind}'; only numbers and nominal "
                "values are supported"
            )
        self.types[name] = pa.string() if kind.startswith("{") else pa.float64()

    def chunks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield these columns of all rows in order, in chunks of at most `rows`."""
        read = pc.ReadOptions(column_names=list(self.types), skip_rows=self._skip)
        convert = pc.ConvertOptions(column_types=self.types, include_columns=list(columns))
        parse = pc.ParseOptions(quote_char="'")
        with read_errors(self.path), pc.open_csv(self.path, read, parse, convert) as blocks:
            for block in blocks:
                for start in range(0, len(block), rows):
                    yield ak.from_arrow(block.slice(start, rows))
