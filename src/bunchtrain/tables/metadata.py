"""What a file that the toolkit writes says about its table: units, order and conditions.

It is JSON: in the metadata of a Parquet schema, a text of an HDF5 file, or a named string of a ROOT
file. CSV has none.
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

#: Name of the description in a file.
KEY = "bunchtrain_table"


@dataclass(frozen=True)
class TableMetadata:
    """Description of a table in its file.

    row         what a row is.
    order       column in whose order the rows are, or None.
    units       column → unit.
    key         columns that identify a row, of a table of conditions.
    origin      what made the rows: `bunchtrain` version, study, run and models.
    conditions  name → file of a small table beside it, relative to its folder.
    """

    row: str = "event"
    order: str | None = None
    units: dict[str, str] = field(default_factory=dict)
    conditions: dict[str, str] = field(default_factory=dict)
    origin: dict[str, str] = field(default_factory=dict)
    key: list[str] = field(default_factory=list)

    def describe(self) -> str:
        """Return what there is to be shown, '' for a file without a description."""
        found = [f"{what} {value}" for what, value in self.origin.items()]
        found += [f"a row is one {self.row}"] if self.row != "event" else []
        found += [f"in the order of '{self.order}'"] if self.order else []
        found += [f"{name} in {file}" for name, file in self.conditions.items()]
        return ", ".join(found)

    def as_mapping(self) -> dict[str, str]:
        """Return the description as metadata of a file."""
        return {KEY: json.dumps(asdict(self))}

    @classmethod
    def from_json(cls, text: str) -> TableMetadata:
        """Return the description that `as_mapping` wrote; an empty one of other text."""
        try:
            found = json.loads(text)
            order, row = found.get("order"), found.get("row", "event")
            units = {str(k): str(v) for k, v in found.get("units", {}).items()}
            beside, origin = (
                {str(k): str(v) for k, v in found.get(key, {}).items()}
                for key in ("conditions", "origin")
            )
            key = [str(one) for one in found.get("key", [])]
            order = None if order is None else str(order)
            return cls(str(row), order, units, beside, origin, key)
        except (ValueError, AttributeError):
            return cls()


def read_metadata(path: Path) -> TableMetadata:
    """Return the description in a Parquet file; an empty one if there is none or no file."""
    try:
        found = pq.read_schema(path).metadata or {}
    except (OSError, pa.ArrowException):
        return TableMetadata()
    return TableMetadata.from_json(found.get(KEY.encode(), b"").decode())
