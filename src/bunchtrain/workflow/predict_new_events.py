"""Predictions for new events, of files or in memory: one row per event, in their order.

Where a study has rows of objects, the predictions of the objects of an event are a list in its row;
those of a window are in its last row.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, TypeAlias

import awkward as ak
import numpy as np

from bunchtrain.errors import BunchtrainError, RunError, UserError, one_of
from bunchtrain.files import as_path
from bunchtrain.study import Study
from bunchtrain.tables.arrays import Arrays, is_data, like
from bunchtrain.tables.expressions.expression import Expression, as_mask, define
from bunchtrain.tables.fill import fill_rows
from bunchtrain.tables.metadata import TableMetadata
from bunchtrain.tables.prediction_contents import Contents
from bunchtrain.tables.predictions import ROWS, Predictions
from bunchtrain.tables.reading.paths import resolve
from bunchtrain.tables.table import Piece, Table
from bunchtrain.tables.transforms._transform import Transform
from bunchtrain.tables.transforms.conditions import write_conditions
from bunchtrain.tables.transforms.object_rows import EVENT, INDEX
from bunchtrain.tables.writing import output_format, write_table
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.prefetch import prefetch
from bunchtrain.workflow.ensembles import FittedEnsembles, ensemble_columns
from bunchtrain.workflow.new_files import file_sources, source_for_file
from bunchtrain.workflow.predict import (
    Columns,
    columns_needed,
    decorrelation_columns,
    predict_columns,
    required_inputs,
    unpredicted_columns,
    used_columns,
)
from bunchtrain.workflow.prediction_schema import schema_of_models
from bunchtrain.workflow.preparation import open_conditions, transform_source

FilesOrSource: TypeAlias = "str | Path | Sequence[str | Path] | Table"
#: Gives the blocks of each file, predicted elsewhere, within a context; None to predict them here.
Wide: TypeAlias = (
    "Callable[[Predictor, Sequence[tuple[str, str | None]]], "
    "AbstractContextManager[list[Iterator[Columns]] | None]]"
)
#: The tree of predictions in a ROOT file, to be used as a friend.
TREE = "scores"
#: Column that is true for the events that `select` of the study selects.
SELECTED = "selected"


@dataclass
class Counts:
    """Number of rows that were written, and of what the models predict.

    events    rows of the output.
    objects   events, objects of `rows`, or windows, of which models predict.
    selected  those of them that `select` of the study selects.
    """

    events: int = 0
    objects: int = 0
    selected: int = 0

    def add(self, other: Mapping[str, int]) -> None:
        """Add the numbers of other events."""
        self.events += other["events"]
        self.objects += other["objects"]
        self.selected += other["selected"]


def _file_names(source: object) -> list[str]:
    """Return the files that are given as one or several; raises UserError for other things."""
    files = source if isinstance(source, list | tuple) and source else [source]
    return [str(as_path(file, "a file of events")) for file in files]


@dataclass(frozen=True)
class Predictor:
    """The trained models of a study, applied to new events.

    study   of the models.
    models  training → model; the study's ensembles of them follow.
    fitted  what is fitted for the ensembles.
    select  whether events that the study's `select` excludes have NaN instead of predictions.
    columns number of columns of training files without header, None if unknown.
    per_object  whether the output has a row for each object of `rows`, not for each event.
    about   units of the predictions and origin of the models, for the metadata of files.
    """

    study: Study
    models: Mapping[str, TrainedModel]
    fitted: FittedEnsembles
    select: bool = True
    columns: int | None = None
    per_object: bool = False
    about: TableMetadata = field(default_factory=TableMetadata)
    counts: Counts = field(default_factory=Counts)

    @property
    def _selection(self) -> Expression | None:
        return Expression(self.study.select) if self.select and self.study.select else None

    @property
    def _is_flat(self) -> bool:
        """Whether the output has a row for each object, or for each window of objects."""
        is_window = self.study.windows is not None
        return self.study.rows is not None and (self.per_object or is_window)

    def write(self, source: FilesOrSource, output: Path, wide: Wide | None = None) -> Counts:
        """Write the predictions for files or a source as CSV, HDF5, Parquet or ROOT; return counts.

        The columns can be used as friends of the input, since rows are those of the input. Those
        of several files are preceded by `file_number` and `entry`. A source without events gives
        a file with the same columns and without rows.

        wide  predicts files in other processes, with the same result.

        Raises UserError for another kind of output and for lists in CSV, DataError for a missing
        column.
        """
        self._require_predictions()
        has_lists = isinstance(self.study.rows, str) and not self._is_flat
        if output_format(output) == "csv" and has_lists:
            raise UserError(
                f"'{output}': CSV holds no lists of predictions for each {self.study.rows}; write "
                ".parquet, .h5 or .root, or one row per object (--per-object)"
            )
        about = self._metadata()
        if output_format(output) != "csv":
            made = open_conditions(self.study, self._first_table(source))
            about = replace(about, conditions=write_conditions(output, made))
        write_table(output, self._blocks(source, output, wide), TREE, about.as_mapping())
        return self.counts

    def _first_table(self, source: FilesOrSource) -> Table | None:
        """Return the source, or that of the first file; None for events in memory."""
        if isinstance(source, Table) or is_data(source):
            return source if isinstance(source, Table) else None
        return source_for_file(self.study, _file_names(source)[0])

    def _metadata(self) -> TableMetadata:
        """Return the units, order and origin of the rows of the output."""
        names, rows = list(schema_of_models(self.study, self.models).columns), self.study.rows
        units = {name: unit for name, unit in self.about.units.items() if name in names}
        if rows is None or self.study.windows:
            return replace(self.about, units=units)
        if self.per_object:
            return replace(self.about, units=units, row=f"object of {rows}", order=EVENT)
        prefixes = [rows] if isinstance(rows, str) else rows
        units = {f"{prefix}_{n}": unit for prefix in prefixes for n, unit in units.items()}
        return replace(self.about, units=units)

    def predict(self, data: Any) -> Any:
        """Return the predictions for events in memory, as the same kind of object as `data`."""
        self._require_predictions()
        return like(data, _join(list(self.blocks_of_source(self._in_memory(data)))))

    def _require_predictions(self) -> None:
        """Raise RunError if the models only generate events."""
        if not schema_of_models(self.study, self.models).columns:
            raise RunError(
                f"no model of the run predicts, {one_of(self.models)} generates events: "
                "`bunchtrain generate RUN -o FILE`"
            )

    def _in_memory(self, data: Any) -> Table:
        return Arrays(data, self.study.source.options.get("units"))

    def _blocks(self, source: FilesOrSource, output: Path, wide: Wide | None) -> Iterator[Columns]:
        if is_data(source):
            source = self._in_memory(source)
        if isinstance(source, Table):
            yield from self.blocks_of_source(source)
            return
        paths = resolve(_file_names(source))
        if os.path.realpath(output) in {os.path.realpath(path) for path, _ in paths}:
            raise UserError(f"'{output}' is one of the files to predict; choose another output")
        with nullcontext() if wide is None else wide(self, paths) as made:
            found = made or map(self.blocks_of_source, self.sources(paths))
            for number, blocks in enumerate(found):
                with errors_of(paths[number][0]):
                    for entry, block in _numbered(blocks):
                        index = {"file_number": np.full(len(entry), number), "entry": entry}
                        yield {**(index if len(paths) > 1 else {}), **block}

    def sources(self, paths: Sequence[tuple[str, str | None]]) -> Iterator[Table]:
        """Yield the source of each file, whose trees are given."""
        needed = {
            name
            for name in required_inputs(self.study, self.models, selection=self.select)
            if name.partition(".")[0] not in self.study.conditions
        }
        return file_sources(self.study, paths, needed, self.columns)

    def pieces(self, source: Table, rows: int) -> list[Piece]:
        """Return ranges of a source that are predicted on their own; [] if it is read as a whole.

        Ends of blocks of `rows` rows are the same as in the whole.
        """
        return transform_source(self.study, source).pieces(rows)

    def blocks_of_source(self, source: Table, piece: Piece | None = None) -> Iterator[Columns]:
        """Yield the columns of the predictions of a source or a piece, first without events."""
        source = transform_source(self.study, source)
        columns = columns_needed(self.study, source, self.models, selection=self.select)
        if not isinstance(source, Transform) or self._is_flat or piece is not None:
            index = [EVENT, INDEX] if self.study.rows is not None else []
            yield {name: np.empty(0, np.int64) for name in index} | self._empty()
            names = [*columns, *index]
            blocks = source.blocks_of(piece, names, ROWS) if piece else source.blocks(names, ROWS)
            for chunk in prefetch(blocks):  # files are read beside the models
                self.counts.events += len(chunk)
                yield {n: ak.to_numpy(chunk[n]) for n in index} | self._of_rows(chunk)
            return
        yield source.by_event(self._empty(), np.empty(0, np.int64))
        for objects, counts in source.blocks_of_events(columns, ROWS):
            self.counts.events += len(counts)
            starts = range(0, max(1, len(objects)), ROWS)
            found = _join([self._of_rows(objects[start : start + ROWS]) for start in starts])
            yield source.by_event(found, counts)

    def _empty(self) -> Columns:
        """Return the columns of the predictions without rows."""
        schema = schema_of_models(self.study, self.models)
        found: Columns = {} if self._selection is None else {SELECTED: np.empty(0, bool)}
        return found | {name: _empty(schema, name) for name in schema.columns}

    def _of_rows(self, chunk: ak.Array) -> Columns:
        """Return whether rows are selected, if there is a selection, and their predictions."""
        names = used_columns(self.study, self.models, selection=self.select)
        events, selection = define(chunk, self.study.define, names), self._selection
        kept = np.ones(len(events), bool)
        if selection is not None:
            kept = as_mask(selection(events), selection.text)
        self.counts.objects += len(kept)
        self.counts.selected += int(kept.sum())
        marks: Columns = {} if selection is None else {SELECTED: kept}
        others = unpredicted_columns(self.study, self.models, events[~kept])
        return marks | fill_rows(self._predicted(events[kept]), kept, others)

    def _predicted(self, events: ak.Array) -> Columns:
        """Return predicted column → (events,), of the models and then of the ensembles."""
        schema = schema_of_models(self.study, self.models)
        columns = predict_columns(self.study, self.models, events)
        spectators = {n: ak.to_numpy(events[n]) for n in decorrelation_columns(self.study)}
        predictions = Predictions(schema, columns | spectators)
        return columns | ensemble_columns(self.study, predictions, self.fitted)


@contextmanager
def errors_of(path: str) -> Iterator[None]:
    """Name the file in the errors of its prediction."""
    try:
        yield
    except BunchtrainError as problem:
        text = str(problem).removeprefix("the file ")
        raise type(problem)(text if path in text else f"{path}: {text}") from None


def _empty(schema: Contents, column: str) -> Any:
    """Return a column without events, of lists for targets on points and edges."""
    is_index = schema.columns[column].quantity.kind in ("index", "object")
    empty = np.zeros(1, np.int64 if is_index else np.float32)
    return (
        empty[:0] if schema.axis(column) == "event" else ak.from_regular(ak.Array(empty[None]))[:0]
    )


def _join(blocks: Sequence[Columns]) -> Columns:
    """Return the columns of blocks, one after the other."""
    if len(blocks) == 1:
        return blocks[0]
    found: Columns = {}
    for name in blocks[0]:
        columns = [block[name] for block in blocks]
        is_list = any(isinstance(column, ak.Array) for column in columns)
        found[name] = ak.concatenate(columns) if is_list else np.concatenate(columns)
    return found


def _numbered(blocks: Iterator[Columns]) -> Iterator[tuple[np.ndarray[Any, Any], Columns]]:
    """Yield each block with the entries of its events in their file."""
    start = 0
    for block in blocks:
        length = len(next(iter(block.values())))
        yield np.arange(start, start + length), block
        start += length
