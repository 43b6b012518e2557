"""Predictions of new files, block by block."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import Any

from bunchtrain.files import read_json, write_json
from bunchtrain.tables.predictions import ROWS
from bunchtrain.tables.table import Piece
from bunchtrain.workflow.executors._executor import Executor
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.predict import Columns
from bunchtrain.workflow.predict_new_events import Predictor, errors_of
from bunchtrain.workflow.run import Run
from bunchtrain.workflow.wide.blocks import counts_file, read_block, write_block
from bunchtrain.workflow.wide.spread import spread

#: Events of a piece, at least: a process needs seconds to open a run.
_LEAST = 4 * ROWS


class PredictedBlocks:
    """Predictions for ranges of new files.

    run     folder of the run.
    folder  of the blocks.
    files   with their trees.
    pieces  (index of the file, [first, file, start, stop] or None for the whole file).
    select  whether events that the study's `select` excludes have NaN.
    per_object  whether the output has a row for each object.
    """

    def __init__(
        self,
        run: str,
        folder: str,
        files: Sequence[tuple[str, str | None]],
        pieces: Sequence[tuple[int, dict[str, int] | None]],
        select: bool,
        per_object: bool,
    ) -> None:
        self.predictor = Run(RunFolder.open(run)).predictor(select, per_object)
        paths = [(path, tree) for path, tree in files]
        self.sources = list(self.predictor.sources(paths))
        self.folder, self.pieces = Path(folder), pieces
        self.paths = [path for path, _ in paths]

    def is_done(self, index: int) -> bool:
        """Return whether the blocks of a piece are there."""
        return counts_file(self.folder, index).is_file()

    def do(self, index: int) -> None:
        """Predict a piece."""
        number, given = self.pieces[index]
        piece = None if given is None else Piece(**given)
        before, blocks = asdict(self.predictor.counts), 0
        with errors_of(self.paths[number]):
            for block in self.predictor.blocks_of_source(self.sources[number], piece):
                write_block(block, self.folder, index, blocks)
                blocks += 1
        found = {n: v - before[n] for n, v in asdict(self.predictor.counts).items()}
        write_json(counts_file(self.folder, index), found | {"blocks": blocks})


@contextmanager
def predict_wide(
    executor: Executor,
    place: Path,
    run: Path,
    predictor: Predictor,
    files: Sequence[tuple[str, str | None]],
) -> Iterator[list[Iterator[Columns]] | None]:
    """Give the blocks of each file, predicted by the jobs of an executor; None for one piece.

    executor   of the jobs.
    place      folder in which they write, e.g. that of the output.
    run        folder of the run.
    predictor  whose options the jobs take.
    files      with their trees.
    """
    pieces = list(_pieces(predictor, files))
    if len(pieces) < 2:
        yield None
        return
    with tempfile.TemporaryDirectory(prefix=".predict-", dir=place) as made:
        folder = Path(made)
        arguments: dict[str, Any] = {
            "run": str(run.absolute()),
            "folder": str(folder.absolute()),
            "files": list(files),
            "pieces": [(number, piece and asdict(piece)) for number, piece in pieces],
            "select": predictor.select,
            "per_object": predictor.per_object,
        }
        spread(executor, folder / "jobs", "predict", arguments, len(pieces))
        for index in range(len(pieces)):
            predictor.counts.add(read_json(counts_file(folder, index)))
        of_file = [[i for i, one in enumerate(pieces) if one[0] == n] for n in range(len(files))]
        yield [_blocks(folder, own) for own in of_file]


def _pieces(
    predictor: Predictor, files: Sequence[tuple[str, str | None]]
) -> Iterator[tuple[int, Piece | None]]:
    """Yield the pieces of each file: ranges, or all of it if its rows are not read one by one."""
    for number, source in enumerate(predictor.sources(files)):
        found = predictor.pieces(source, ROWS)
        if not found:
            yield number, None
            continue
        first = found[0]
        for one in found[1:]:
            if first.stop - first.start >= _LEAST or one.file != first.file:
                yield number, first
                first = one
            else:
                first = Piece(first.first, first.file, first.start, one.stop)
        yield number, first


def _blocks(folder: Path, indices: Sequence[int]) -> Iterator[Columns]:
    """Yield the blocks of the pieces of a file; only the first one is without events."""
    for position, index in enumerate(indices):
        blocks = read_json(counts_file(folder, index))["blocks"]
        for block in range(1 if position else 0, blocks):
            yield read_block(folder, index, block)
