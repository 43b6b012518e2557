"""Classes of a column, counted over whole files."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.errors import BunchtrainError
from bunchtrain.tables.column_types import kind
from bunchtrain.tables.reading import open_table

#: Rows that are counted, and read together.
_MAX_ROWS, _BLOCK = 20_000_000, 500_000


def count_classes(
    files: Sequence[tuple[str, str | None]], column: str, limit: int
) -> dict[Any, int]:
    """Return value → number of rows of a flat column, over all files; NaN is not counted.

    Args:
        files: path and tree of each.
        column: of whole numbers, booleans or text.
        limit: more different values give {}.
    """
    found: Counter[Any] = Counter()
    rows = 0
    for path, tree in files:
        try:
            for chunk in open_table(path, tree).chunks([column], _BLOCK):
                found.update(_counts(chunk[column]))
                rows += len(chunk)
                if len(found) > limit:
                    return {}
                if rows > _MAX_ROWS:
                    return dict(sorted(found.items()))
        except BunchtrainError:
            continue  # a file without the column
    return dict(sorted(found.items()))


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
