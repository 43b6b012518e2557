"""The content of the columns of a table of predictions, as stored in its file."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from bunchtrain.errors import DataError, RunError
from bunchtrain.files import damaged
from bunchtrain.targets import Quantity, Target
from bunchtrain.targets.target import Axis

#: Key of the schema in the metadata of a Parquet file.
METADATA = "bunchtrain"


@dataclass(frozen=True)
class PredictedColumn:
    """Training, target and quantity of a predicted column."""

    training: str
    target: str
    quantity: Quantity

    def as_dict(self) -> dict[str, Any]:
        """Return the column for JSON."""
        return {"training": self.training, "target": self.target, **self.quantity.as_dict()}

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> PredictedColumn:
        """Return the column that `as_dict` wrote."""
        return cls(entry["training"], entry["target"], Quantity.from_dict(entry))


@dataclass(frozen=True)
class Contents:
    """Content of the columns of a table of predictions.

    targets    by name.
    trainings  model or ensemble → the names of its trainings; the first is its own name.
    ensembles  the names among them that combine models.
    columns    predicted column → its content; truth, weight and spectators are not included.
    """

    targets: dict[str, Target]
    trainings: dict[str, list[str]]
    ensembles: list[str]
    columns: dict[str, PredictedColumn]

    def axis(self, column: str) -> Axis:
        """Return what the rows of a predicted column belong to: event, point or edge."""
        target = self.columns[column].target
        if self.columns[column].quantity.kind == "object":
            return "point"
        return self.targets[target].axis if target else "event"

    def as_json(self) -> str:
        """Return the contents as text for a file's metadata."""
        return json.dumps(
            {
                "targets": {name: target.as_dict() for name, target in self.targets.items()},
                "trainings": self.trainings,
                "ensembles": self.ensembles,
                "columns": {name: column.as_dict() for name, column in self.columns.items()},
            }
        )

    @classmethod
    def from_json(cls, text: str) -> Contents:
        """Return the contents that `as_json` wrote."""
        content = json.loads(text)
        return cls(
            {name: Target.from_dict(name, one) for name, one in content["targets"].items()},
            content["trainings"],
            content["ensembles"],
            {name: PredictedColumn.from_dict(one) for name, one in content["columns"].items()},
        )


def read_contents(path: Path, contents: Contents | None = None) -> Contents:
    """Return the description of a table in a file, or the given one where it has none.

    Raises RunError if the file is missing, damaged or not of predictions, DataError if there is no
    description.
    """
    if not path.is_file():
        raise RunError(f"{path} is missing; resume the run")
    try:
        schema = pq.read_schema(path)
    except (pa.ArrowException, OSError) as problem:
        raise damaged(path, problem) from None
    text = (schema.metadata or {}).get(METADATA.encode())
    if text is None and contents is None:
        raise DataError(f"{path} contains no schema of predictions")
    try:
        found = Contents.from_json(text.decode()) if text is not None else contents
    except (KeyError, TypeError, ValueError, AttributeError) as problem:
        raise damaged(path, f"schema of its columns, {problem}") from None
    if lacking := [name for name in ("entry", "weight") if name not in schema.names]:
        raise damaged(path, f"it has no column '{lacking[0]}'")
    assert found is not None
    return found
