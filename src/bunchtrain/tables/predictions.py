"""The table of predictions: truth, weights and spectators of events, and the predictions of models.

The columns of models have a schema, stored in the file: which training of which model, which target
and which quantity. Code uses the schema and never parses the name of a column.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bunchtrain.errors import DataError, RunError
from bunchtrain.files import damaged
from bunchtrain.tables.arrow_rows import is_plain, numbers
from bunchtrain.tables.metadata import KEY, TableMetadata
from bunchtrain.tables.prediction_contents import (
    METADATA,
    Contents,
    PredictedColumn,
    read_contents,
)
from bunchtrain.tables.table import Table
from bunchtrain.tables.writing import write_parquet
from bunchtrain.targets import Quantity, Target
from bunchtrain.targets.quantity import Kind

Values = NDArray[Any]
#: Column of `rows`: the event of each point or edge, counted in the table of events.
EVENT_ROW = "event_row"
#: Events in a block that is predicted, read or written.
ROWS = 16384


class Predictions(Table):
    """Truth, weights, spectators and predictions of a set of events, (events,) each.

    Columns of a target on points or edges are lists, one of each event, as awkward arrays; `rows`
    gives them flat.
    """

    def __init__(
        self,
        contents: Contents,
        columns: Mapping[str, Any],
        known_units: Mapping[str, str] | None = None,
    ) -> None:
        self.contents, self.columns = contents, dict(columns)
        #: Column → unit, also of inputs that are no columns of this table.
        self.known_units = dict(known_units or {})
        self._of = {column: name for name, column in contents.columns.items() if name in columns}

    def fingerprint(self) -> str:
        """Return a text that is different for any other object."""
        return f"predictions in memory {id(self)}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return {n: str(ak.Array(v).type).partition(" * ")[2] for n, v in self.columns.items()}

    def units(self) -> dict[str, str]:
        """Return column → unit of its values, for columns whose unit is known."""
        return {n: unit for n, unit in self.known_units.items() if n in self.columns}

    @property
    def entries(self) -> int:
        """The number of events."""
        return len(self)

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the events as records of these columns in blocks of at most `rows`."""
        for start in range(0, len(self), rows):
            found = {name: self.columns[name][start : start + rows] for name in columns}
            yield ak.zip(found, depth_limit=1)

    @classmethod
    def read(cls, path: Path, contents: Contents | None = None) -> Predictions:
        """Return the table in a file such as `predictions.parquet`.

        path      Parquet file.
        contents  of a file without a description, such as those of earlier releases.

        Raises RunError if the file is missing, DataError if there is no description.
        """
        found = read_contents(path, contents)
        try:
            with pq.ParquetFile(path) as file:  # `read_table` imports pandas
                return cls._from_arrow(found, file.read())
        except (pa.ArrowException, OSError) as problem:
            raise damaged(path, problem) from None

    @classmethod
    def read_blocks(
        cls, path: Path, rows: int, contents: Contents | None = None
    ) -> Iterator[Predictions]:
        """Yield the table in a file in blocks of at most `rows` events; raises as `read`."""
        found = read_contents(path, contents)
        try:
            with pq.ParquetFile(path, pre_buffer=False) as file:
                if not file.metadata.num_rows:  # its columns are needed, too
                    yield cls._from_arrow(found, file.schema_arrow.empty_table())
                about = file.schema_arrow.metadata
                for batch in file.iter_batches(rows):
                    table = pa.Table.from_batches([batch]).replace_schema_metadata(about)
                    yield cls._from_arrow(found, table)
        except (pa.ArrowException, OSError) as problem:
            raise damaged(path, problem) from None

    @classmethod
    def _from_arrow(cls, contents: Contents, table: pa.Table) -> Predictions:
        columns = {name: _column(table[name]) for name in table.column_names}
        about = (table.schema.metadata or {}).get(KEY.encode(), b"")
        return cls(contents, columns, TableMetadata.from_json(about.decode()).units)

    def write(self, path: Path) -> None:
        """Write the table as Parquet, in a temporary file that is renamed."""
        about = TableMetadata(units=self.known_units).as_mapping()
        write_parquet(path, [self.columns], {METADATA: self.contents.as_json()} | about)

    def _with(self, columns: Mapping[str, Any]) -> Predictions:
        """Return a table with the same schema and units, and other columns."""
        return Predictions(self.contents, columns, self.known_units)

    def __len__(self) -> int:
        return len(self.weights)

    @property
    def weights(self) -> Values:
        """The event weights (events,), without balancing or reweighting."""
        found: Values = self.columns["weight"]
        return found

    @property
    def targets(self) -> dict[str, Target]:
        """The targets by name."""
        return self.contents.targets

    def rows(self, target: str) -> Predictions:
        """Return the table with one row per point or edge of a target, its columns flat.

        The columns of the events are repeated. Points that a model did not use are left out, so
        that all models are compared on the same ones. Raises DataError if the models predict
        different edges.
        """
        if self.targets[target].axis == "event":
            return self
        of_target = {
            name: one.quantity.kind for one, name in self._of.items() if one.target == target
        }
        labels = target if self.targets[target].classes else f"{target}_0"
        is_pair = self.targets[target].same is not None
        truth = self._edge_truth(target, of_target) if is_pair else self.columns[labels]
        counts = ak.to_numpy(ak.num(truth))
        flat: dict[str, Any] = {labels: ak.to_numpy(ak.flatten(truth))}
        flat[EVENT_ROW] = np.repeat(np.arange(len(counts)), counts)
        for name, values in self.columns.items():
            if isinstance(values, np.ndarray):
                flat[name] = np.repeat(values, counts)
            elif name in flat or values.ndim > 2:  # lists of lists, such as the hits of tracks
                continue
            elif np.array_equal(ak.to_numpy(ak.num(values)), counts):
                flat[name] = ak.to_numpy(ak.flatten(values))
        predicted = [flat[name] for name in of_target]
        known = np.all([np.isfinite(values) for values in predicted], axis=0)
        return self._with({name: values[known] for name, values in flat.items()})

    def _edge_truth(self, target: str, kinds: Mapping[str, Kind]) -> ak.Array:
        """Return the class index of each edge, from the identifiers of its points."""
        ends: dict[Kind, list[ak.Array]] = {"first": [], "second": []}
        for name, kind in kinds.items():
            if kind in ends:
                ends[kind].append(self.columns[name])
        for first, *others in ends.values():
            if any(not ak.array_equal(first, other) for other in others):
                raise DataError(
                    f"target '{target}': the models predict different edges, which cannot be "
                    "compared row by row; give them the same representation"
                )
        identifier = self.columns[target]
        first, second = (identifier[found[0]] for found in ends.values())
        return ak.values_astype((first == second) & (first >= 0), np.int64)

    def with_weights(self, weights: Values) -> Predictions:
        """Return the table with other weights, (rows,)."""
        return self._with(self.columns | {"weight": weights})

    @property
    def classifications(self) -> dict[str, Target]:
        """The targets with classes."""
        return {name: target for name, target in self.targets.items() if target.classes}

    @property
    def models(self) -> list[str]:
        """The names of the models, without the ensembles of them."""
        return [name for name in self.contents.trainings if name not in self.contents.ensembles]

    @property
    def estimators(self) -> list[str]:
        """The names of the models and of their ensembles."""
        return list(self.contents.trainings)

    def trainings(self, estimator: str) -> list[str]:
        """Return the names of the trainings of a model; those of an ensemble are its own name."""
        return self.contents.trainings[estimator]

    def truth(self, target: str, value: str | None = None) -> Values:
        """Return the class indices of a target, or the truth of one value or role, (events,)."""
        if value is None:
            index = ""
        elif self.targets[target].assignment:
            index = f"_{value}"
        else:
            index = f"_{self.targets[target].values.index(value)}"
        found: Values = self.columns[f"{target}{index}"]
        return found

    def column(self, training: str, target: str, quantity: Quantity) -> Values | None:
        """Return a predicted quantity (events,), None if the model does not predict it."""
        name = self._of.get(PredictedColumn(training, target, quantity))
        return None if name is None else self.columns[name]

    def probabilities(self, training: str, target: str) -> Values | None:
        """Return class probabilities (events, classes); None if the model has no such head."""
        found = [
            self.column(training, target, Quantity(label)) for label in self.targets[target].classes
        ]
        kept = [column for column in found if column is not None]
        return np.stack(kept, axis=1) if kept and len(kept) == len(found) else None

    def scores(self, training: str, kind: Kind = "score") -> dict[str, Values]:
        """Return label → quantity without a target, (events,), such as an anomaly score."""
        return {
            one.quantity.label: self.columns[name]
            for one, name in self._of.items()
            if one.training == training and one.quantity.kind == kind
        }

    def sigma(self, training: str, target: str, label: str) -> Values | None:
        """Return the predicted standard deviation of a probability or value, None without one."""
        return self.column(training, target, Quantity(label, "sigma"))

    def intervals(
        self, training: str, target: str, value: str
    ) -> dict[float, tuple[Values, Values]]:
        """Return nominal coverage → lower and upper ends of the interval, (events,) each."""
        found = {}
        for level in self._levels(training, target, "low"):
            ends = [self.column(training, target, Quantity(value, k, level)) for k in LOW_HIGH]
            if ends[0] is not None and ends[1] is not None:
                found[level] = (ends[0], ends[1])
        return found

    def sets(self, training: str, target: str) -> dict[float, NDArray[np.bool_]]:
        """Return nominal coverage → whether each class is in the set, (events, classes) bool."""
        found = {}
        for level in self._levels(training, target, "in_set"):
            inside = [
                self.column(training, target, Quantity(label, "in_set", level))
                for label in self.targets[target].classes
            ]
            found[level] = np.stack([one for one in inside if one is not None], 1) > 0.5
        return found

    def quantiles(self, training: str, target: str, value: str) -> dict[float, Values]:
        """Return probability → predicted quantile of a value (events,), in rising order."""
        found = {
            level: self.column(training, target, Quantity(value, "quantile", level))
            for level in self._levels(training, target, "quantile")
        }
        return {level: values for level, values in found.items() if values is not None}

    def _levels(self, training: str, target: str, kind: str) -> list[float]:
        levels = {
            one.quantity.level
            for one in self._of
            if (one.training, one.target, one.quantity.kind) == (training, target, kind)
        }
        return sorted(level for level in levels if level is not None)

    def take(self, rows: Values) -> Predictions:
        """Return the events of these indices or of this mask, in order."""
        return self._with({name: v[rows] for name, v in self.columns.items()})


LOW_HIGH: tuple[Any, Any] = ("low", "high")


def no_predictions() -> Predictions:
    """Return predictions without events, targets and models."""
    return Predictions(Contents({}, {}, [], {}), {})


def concatenate(tables: Sequence[Predictions]) -> Predictions:
    """Return the events of several tables, such as those of the folds of a study, as one table.

    Raises RunError if their models differ, or if two tables contain the same event.
    """
    first = tables[0]
    for other in tables[1:]:
        if other.estimators != first.estimators or other.targets != first.targets:
            raise RunError("the runs have different models; give runs of folds of one study")
    check_disjoint([one.columns["entry"] for one in tables])
    names = first.columns
    columns = {name: _concatenate([one.columns[name] for one in tables]) for name in names}
    return Predictions(first.contents, columns, first.known_units)


def _column(column: pa.ChunkedArray) -> Any:
    """Return a column of a file as numpy, or as awkward if it holds lists."""
    if pa.types.is_list(column.type) or pa.types.is_large_list(column.type):
        return ak.from_arrow(column)
    if is_plain(column):
        return numbers(column).copy()
    return column.to_numpy()


def _concatenate(columns: Sequence[Any]) -> Any:
    if isinstance(columns[0], ak.Array):
        return ak.concatenate(columns)
    return np.concatenate(columns)


def check_disjoint(entries: Iterable[Values]) -> None:
    """Raise RunError if two sets of entries (events,) have an event in common."""
    together = np.concatenate(list(entries))
    if len(np.unique(together)) < len(together):
        raise RunError("two of the runs test the same events; give runs of different folds")
