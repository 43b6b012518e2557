"""The table of a stage `repeat`, as evaluations read it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.evaluations._evaluation import EvaluatedRun

Values = NDArray[np.float64]
#: Columns of a table of repetitions that are no metrics.
_INDICES = ("repetition", "toy", "seed")


class Repetitions(NamedTuple):
    """Columns of a table of repetitions, (repetitions,) each.

    varied   key → its values.
    metrics  `model.metric` → its values.
    errors   `model.metric` → the errors of these.
    """

    varied: dict[str, Values]
    metrics: dict[str, Values]
    errors: dict[str, Values]


def read_repetitions(run: EvaluatedRun, stage: str) -> Repetitions:
    """Return the table of a stage `repeat`; raises DataError if it has none."""
    path = run.folder / "stages" / stage / "table.parquet"
    if not path.is_file():
        raise DataError(f"stage '{stage}' has no table in {run.folder}; run it")
    table = pq.read_table(path)
    found = {name: table[name].to_numpy().astype(np.float64) for name in table.column_names}
    metrics = {name: one for name, one in found.items() if f"{name}.error" in found}
    errors = {name: found[f"{name}.error"] for name in metrics}
    others = {*metrics, *_INDICES, *(f"{name}.error" for name in metrics)}
    return Repetitions({n: one for n, one in found.items() if n not in others}, metrics, errors)
