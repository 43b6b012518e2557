"""ARFF tables, as OpenML keeps them: a header of `@attribute` lines, then comma-separated rows."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator

import awkward as ak
import pyarrow as pa
import pyarrow.csv as pc

from bunchtrain.errors import DataError
from bunchtrain.tables.reading.table import reading

_ATTRIBUTE = re.compile(r"@attribute\s+(?:'([^']*)'|\"([^\"]*)\"|(\S+))\s+(.+)", re.IGNORECASE)
_NUMBERS = ("numeric", "real", "integer")


class ArffTable:
    """A dense ARFF file of numbers and nominal values, which are texts.

    Raises DataError if the header is not that of such a file.
    """

    def __init__(self, path: str) -> None:
        self.path = path
        self.types: dict[str, pa.DataType] = {}
        with reading(path), open(path, encoding="utf-8") as file:
            for number, line in enumerate(file):
                if line.strip().lower() == "@data":
                    self._skip = number + 1
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
                f"{self.path}: attribute '{name}' is of type '{kind}'; only numbers and nominal "
                "values are read"
            )
        self.types[name] = pa.string() if kind.startswith("{") else pa.float64()

    def chunks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield these columns of all rows in their order, at most `rows` at once."""
        read = pc.ReadOptions(column_names=list(self.types), skip_rows=self._skip)
        convert = pc.ConvertOptions(column_types=self.types, include_columns=list(columns))
        parse = pc.ParseOptions(quote_char="'")
        with reading(self.path), pc.open_csv(self.path, read, parse, convert) as blocks:
            for block in blocks:
                for start in range(0, len(block), rows):
                    yield ak.from_arrow(block.slice(start, rows))
