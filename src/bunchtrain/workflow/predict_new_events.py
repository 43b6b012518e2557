"""Predictions for new events, of files or in memory: one row per event, in their order."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import awkward as ak
import numpy as np

from bunchtrain.errors import BunchtrainError, UserError
from bunchtrain.study import Study
from bunchtrain.tables.arrays import Arrays, is_data, like
from bunchtrain.tables.expressions.expression import Expression, as_mask, define
from bunchtrain.tables.predictions import Contents, Predictions
from bunchtrain.tables.reading.paths import resolve
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms.object_rows import EVENT, INDEX
from bunchtrain.tables.writing import output_format, write_table
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.ensembles import FittedEnsembles, ensemble_columns
from bunchtrain.workflow.new_files import file_sources
from bunchtrain.workflow.predict import (
    ROWS,
    Columns,
    columns_needed,
    decorrelation_columns,
    predict_columns,
    required_inputs,
    used_columns,
)
from bunchtrain.workflow.prediction_schema import schema_of_models
from bunchtrain.workflow.preparation import transform_source

FilesOrSource: TypeAlias = "str | Path | Sequence[str | Path] | Table"
#: The tree of predictions in a ROOT file, to be used as a friend.
TREE = "scores"
#: Column that is true for the events that `select` of the study selects.
SELECTED = "selected"


@dataclass
class Counts:
    """Number of events that were read, and of those that `select` of the study selects."""

    events: int = 0
    selected: int = 0


@dataclass(frozen=True)
class Predictor:
    """The trained models of a study, applied to new events.

    study   of the models.
    models  training → model; the study's ensembles of them follow.
    fitted  what is fitted for the ensembles.
    select  whether events that the study's `select` excludes have NaN instead of predictions.
    columns number of columns of training files without header, None if unknown.
    """

    study: Study
    models: Mapping[str, TrainedModel]
    fitted: FittedEnsembles
    select: bool = True
    columns: int | None = None
    counts: Counts = field(default_factory=Counts)

    @property
    def _selection(self) -> Expression | None:
        return Expression(self.study.select) if self.select and self.study.select else None

    def write(self, source: FilesOrSource, output: Path) -> Counts:
        """Write the predictions for files or a source as CSV, HDF5, Parquet or ROOT; return counts.

        The columns can be used as friends of the input, since rows are those of the input. Those
        of several files are preceded by `file_number` and `entry`. A source without events gives
        a file with the same columns and without rows.

        Raises UserError for another kind of output, DataError for a missing column.
        """
        output_format(output)
        write_table(output, self._blocks(source, output), TREE)
        return self.counts

    def predict(self, data: Any) -> Any:
        """Return the predictions for events in memory, as the same kind of object as `data`."""
        blocks = list(self._of_source(self._in_memory(data)))
        return like(data, {name: _joined([b[name] for b in blocks]) for name in blocks[0]})

    def _in_memory(self, data: Any) -> Table:
        return Arrays(data, self.study.source.options.get("units"))

    def _blocks(self, source: FilesOrSource, output: Path) -> Iterator[Columns]:
        if is_data(source):
            source = self._in_memory(source)
        if isinstance(source, Table):
            yield from self._of_source(source)
            return
        files = [source] if isinstance(source, str | Path) else source
        paths = resolve([os.fspath(file) for file in files])
        if any(Path(path).resolve() == output.resolve() for path, _ in paths):
            raise UserError(f"'{output}' is one of the files to predict; choose another output")
        needed = required_inputs(self.study, self.models, selection=self.select)
        for number, one in enumerate(file_sources(self.study, paths, needed, self.columns)):
            try:
                for entry, block in _numbered(self._of_source(one)):
                    index = {"file_number": np.full(len(entry), number), "entry": entry}
                    yield {**(index if len(paths) > 1 else {}), **block}
            except BunchtrainError as problem:
                path, text = paths[number][0], str(problem).removeprefix("the file ")
                raise type(problem)(text if path in text else f"{path}: {text}") from None

    def _of_source(self, source: Table) -> Iterator[Columns]:
        """Yield the columns of the predictions, first a block without events."""
        study, selection = self.study, self._selection
        source = transform_source(study, source)
        index = [EVENT, INDEX] if study.rows is not None else []
        columns = columns_needed(study, source, self.models, selection=self.select)
        schema = schema_of_models(study, self.models)
        empty: Columns = {name: np.empty(0, np.int64) for name in index}
        empty |= {} if selection is None else {SELECTED: np.empty(0, bool)}
        yield empty | {name: _empty(schema, name) for name in schema.columns}
        for chunk in source.blocks([*columns, *index], ROWS):
            names = used_columns(study, self.models, selection=self.select)
            events = define(chunk, study.define, names)
            kept = np.ones(len(events), bool)
            if selection is not None:
                kept = as_mask(selection(events), selection.text)
            self.counts.events += len(kept)
            self.counts.selected += int(kept.sum())
            marks: Columns = {name: ak.to_numpy(chunk[name]) for name in index}
            marks |= {} if selection is None else {SELECTED: kept}
            yield marks | _fill(self._predicted(events[kept]), kept)

    def _predicted(self, events: ak.Array) -> Columns:
        """Return predicted column → (events,), of the models and then of the ensembles."""
        schema = schema_of_models(self.study, self.models)
        columns = predict_columns(self.study, self.models, events)
        spectators = {n: ak.to_numpy(events[n]) for n in decorrelation_columns(self.study)}
        predictions = Predictions(schema, columns | spectators)
        return columns | ensemble_columns(self.study, predictions, self.fitted)


def _fill(columns: Columns, kept: np.ndarray[Any, np.dtype[np.bool_]]) -> Columns:
    """Return columns of the kept events with NaN for the others, or lists without items."""
    filled: Columns = {}
    for name, values in columns.items():
        if isinstance(values, ak.Array):
            counts = np.zeros(len(kept), np.int64)
            counts[kept] = ak.to_numpy(ak.num(values))
            filled[name] = ak.unflatten(ak.flatten(values), counts)
        else:
            is_index = values.dtype.kind == "i"  # of the item of a role
            filled[name] = np.full(len(kept), -1 if is_index else np.nan, values.dtype)
            filled[name][kept] = values
    return filled


def _empty(schema: Contents, column: str) -> Any:
    """Return a column without events, of lists for targets on points and edges."""
    is_index = schema.columns[column].quantity.kind in ("index", "object")
    empty = np.zeros(1, np.int64 if is_index else np.float32)
    return (
        empty[:0] if schema.axis(column) == "event" else ak.from_regular(ak.Array(empty[None]))[:0]
    )


def _joined(blocks: Sequence[Any]) -> Any:
    is_list = any(isinstance(block, ak.Array) for block in blocks)
    return ak.concatenate(blocks) if is_list else np.concatenate(blocks)


def _numbered(blocks: Iterator[Columns]) -> Iterator[tuple[np.ndarray[Any, Any], Columns]]:
    """Yield each block with the entries of its events in their file."""
    start = 0
    for block in blocks:
        length = len(next(iter(block.values())))
        yield np.arange(start, start + length), block
        start += length
