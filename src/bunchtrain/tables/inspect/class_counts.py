"""Classes of a column, counted over whole files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.tables.column_types import kind
from bunchtrain.tables.reading import open_table

#: Rows that are counted, and read together.
_MAX_ROWS, _BLOCK = 20_000_000, 500_000


def count_classes(
    files: Sequence[tuple[str, str | None]], columns: Sequence[str], limit: int
) -> dict[str, dict[Any, int]]:
    """Return column → value → number of rows of flat columns, over all files; NaN is not counted.

    Args:
        files: path and tree of each.
        columns: of whole numbers, booleans or text.
        limit: more different values of a column give {}.
    """
    found = {name: Counter[Any]() for name in columns}
    rows = 0
    for path, tree in files if columns else ():
        table = open_table(path, tree)
        for chunk in table.blocks([c for c in columns if c in table.fields()], _BLOCK):
            for name in chunk.fields:
                if len(found[name]) <= limit:
                    found[name].update(_counts(chunk[name]))
            rows += len(chunk)
        if rows > _MAX_ROWS:
            break
    return {n: dict(sorted(c.items())) if len(c) <= limit else {} for n, c in found.items()}


def _counts(values: ak.Array) -> dict[Any, int]:
    if kind(values) == "text":
        return Counter(values.to_list())
    numbers = np.asarray(ak.to_numpy(values))
    if numbers.dtype.kind == "f":
        numbers = numbers[np.isfinite(numbers)]
        whole = np.rint(numbers).astype(np.int64)
        if not np.array_equal(whole, numbers):
            return {float(v): 1 for v in np.unique(numbers)}  # no classes
        numbers = whole
    distinct, counts = np.unique(numbers, return_counts=True)
    return dict(zip(distinct.tolist(), counts.tolist(), strict=True))
