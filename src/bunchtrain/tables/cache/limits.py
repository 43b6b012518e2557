"""What building an event cache takes in memory and on disk, found before the work starts."""

from __future__ import annotations

import shutil
from pathlib import Path

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError, MachineError
from bunchtrain.tables.cache.recipe import Recipe
from bunchtrain.tables.cache.selection import Selection
from bunchtrain.tables.expressions.conditions import is_condition

#: Rows that are read together; more are no faster.
_MAX_ROWS = 1 << 16
#: Rows of a table from which the size of its cache is estimated.
_SAMPLE = 20_000
#: An event needs about eight times its packed size: decompression, definitions, sorting.
_COPIES = 8
#: Bytes of the columns that the cache adds to a row, at most, where a rough bound is enough.
_GENERATED = 1000


def rows_of_chunk(recipe: Recipe, sample: ak.Array, memory: int) -> int:
    """Return the rows of the source that are read together, for a limit on the memory in bytes.

    sample  the first rows of the source.

    Raises MachineError if the limit is below what one row takes.
    """
    needed = _COPIES * _packed_bytes(sample)
    if memory < needed:
        raise MachineError(
            f"storage.memory: {memory / 1e6:.3g} MB is too little, as one {recipe.source.row} of "
            f"this source takes {needed / 1e6:.2g} MB while it is prepared; give at least "
            f"{np.ceil(64 * needed / 1e6):.0f} MB, enough for 64 of them"
        )
    return int(np.clip(memory / needed, 1, _MAX_ROWS))


def first_rows(recipe: Recipe, rows: int = 256) -> ak.Array:
    """Return the first rows of the source; raise DataError if there is none."""
    # The first blocks may be empty, e.g. of long windows.
    blocks = recipe.source.blocks(recipe.source_columns(), rows)
    sample = next((one for one in blocks if len(one)), None)
    if sample is None:
        raise DataError(recipe.source.why_empty)
    return sample


def check_disk(recipe: Recipe, sample: ak.Array, folder: Path) -> None:
    """Raise MachineError if the cache of a recipe does not fit the disk of a folder.

    The size is estimated from a sample, the first rows, and from more of them if that is too
    large. The events are on disk twice while they are sorted. A source of unknown length is not
    checked.
    """
    entries = recipe.source.entries
    free = shutil.disk_usage(folder).free
    if not entries or entries * (_COPIES * _packed_bytes(sample) + _GENERATED) < free:
        return
    if entries * _stored_bytes(recipe, sample) < free:
        return
    blocks = list(recipe.source.sample(recipe.source_columns(), _SAMPLE))
    rows = sum(map(len, blocks))
    size = sum(_stored_bytes(recipe, one) * len(one) for one in blocks if len(one)) / max(rows, 1)
    if entries * size >= free:
        raise MachineError(
            f"the event cache needs about {_as_text(entries * size)} while it is made, and the "
            f"disk of {folder} has {_as_text(free)} free; free space, set storage.folder to "
            "another disk, or select fewer events"
        )


def _as_text(size: float) -> str:
    """Return a number of bytes in MB or GB."""
    return f"{size / 1e9:.2g} GB" if size > 1e9 else f"{size / 1e6:.2g} MB"


def _packed_bytes(sample: ak.Array) -> float:
    """Return the bytes of a row of the source, at least 1."""
    own = [name for name in sample.fields if not is_condition(sample[name])]  # shared by all rows
    return max(float(ak.to_packed(sample[own]).nbytes / len(sample)), 1.0)


def _stored_bytes(recipe: Recipe, rows: ak.Array) -> float:
    """Return the bytes on disk per row of the source while the cache is made."""
    try:
        return float(2 * Selection(recipe)(rows).nbytes / len(rows))
    except DataError:  # raised again, with its entry, when all rows are read
        return 0.0
