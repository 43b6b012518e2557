"""Classes of a column, counted over whole tables."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.tables.column_types import kind
from bunchtrain.tables.table import Table

#: Rows that are counted, and read together.
_MAX_ROWS, _BLOCK = 20_000_000, 500_000


def count_classes(
    tables: Sequence[Table], columns: Sequence[str], limit: int
) -> dict[str, dict[Any, int]]:
    """Return column → value → number of rows, or of items of lists, over all rows of the tables.

    Args:
        tables: with the same columns.
        columns: of whole numbers, booleans or text; NaN is not counted.
        limit: more different values of a column give {}.
    """
    found = {name: Counter[Any]() for name in columns}
    rows = 0
    for table in tables if columns else ():
        for chunk in table.blocks([c for c in columns if c in table.fields()], _BLOCK):
            for name in chunk.fields:
                if len(found[name]) <= limit:
                    values = chunk[name]
                    is_list = values.ndim > 1 and kind(values) != "text"
                    found[name].update(_counts(ak.flatten(values) if is_list else values))
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
