"""Files of blocks of columns, by which processes hand on what they have made."""

from __future__ import annotations

from pathlib import Path

from bunchtrain.files import atomic_path
from bunchtrain.tables.arrow import read, to_events, to_table, write
from bunchtrain.workflow.predict import Columns


def write_block(columns: Columns, folder: Path, piece: int, number: int = 0) -> None:
    """Write a block of a piece, whole or not at all."""
    with atomic_path(block_file(folder, piece, number)) as part:
        write(to_table(columns), part)


def read_block(folder: Path, piece: int, number: int = 0) -> Columns:
    """Return the columns of a block of a piece."""
    events = to_events(read(block_file(folder, piece, number)))
    return {name: events[name] for name in events.fields}


def block_file(folder: Path, piece: int, number: int = 0) -> Path:
    """Return the file of a block of a piece."""
    return folder / f"block-{piece:05d}-{number:05d}.arrow"


def counts_file(folder: Path, piece: int) -> Path:
    """Return the file that is written last of a piece, with its numbers."""
    return folder / f"counts-{piece:05d}.json"
