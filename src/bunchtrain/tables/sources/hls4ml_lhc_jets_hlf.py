"""The published jets of the trigger benchmark: 16 features, five classes (arXiv:1804.06913).

Two variants are public and give different results: OpenML 42468 with 830,000 jets, which this
source reads, and that of CERN with 986,806 jets, on which networks reach lower accuracies.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.tables.reading.arff import ArffTable
from bunchtrain.tables.reading.paths import fingerprint, resolve
from bunchtrain.tables.sources.files import Files, unknown_column
from bunchtrain.tables.table import Table

CLASSES = ("g", "q", "w", "z", "t")
#: Names of the class column in the files.
TARGETS = ("class", "jet_type")
#: The variant that this source reads.
VARIANT = "OpenML 42468"


class Hls4mlLhcJetsHlf(Table):
    """The sample hls4ml_lhc_jets_hlf, variant OpenML 42468, as ARFF or Parquet (arXiv:1804.06913).

    Columns: the 16 features with their published names, and `label`: 0 g, 1 q, 2 W, 3 Z, 4 t.

    files  the file of OpenML, `.arff` or `.parquet`.
    """

    def __init__(self, *, files: str) -> None:
        self._files = files

    def fingerprint(self) -> str:
        """Return the fingerprint of the file."""
        return f"{VARIANT} {fingerprint(self._path)}"

    @property
    def _path(self) -> str:
        ((path, _),) = resolve(self._files)
        return path

    def _table(self) -> ArffTable | Files:
        return ArffTable(self._path) if self._path.endswith(".arff") else Files(files=self._path)

    def _features(self) -> tuple[list[str], str]:
        table = self._table()
        if isinstance(table, ArffTable):
            table.check(table.unreadable)
        stored = list(table.fields())
        target = next((name for name in TARGETS if name in stored), None)
        if target is None:
            raise unknown_column(TARGETS[0], stored, f"the sample {VARIANT}")
        return [name for name in stored if name not in (target, "file_number")], target

    def fields(self) -> dict[str, str]:
        """Return column → type."""
        features, _ = self._features()
        return {**dict.fromkeys(features, "float64"), "label": "int64"}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all jets in order, as records of these columns, in chunks of at most `rows`."""
        features, target = self._features()
        for column in columns:
            if column not in (*features, "label"):
                raise unknown_column(column, [*features, "label"], f"the sample {VARIANT}")
        inputs = [name for name in columns if name != "label"]
        for block in self._table().blocks([*inputs, target], rows):
            made = {name: block[name] for name in inputs}
            if "label" in columns:
                made["label"] = _class_indices(block[target], self._path)
            yield ak.zip(made, depth_limit=1) if made else block[[]]


def _class_indices(classes: ak.Array, path: str) -> ak.Array:
    names = np.char.lower(np.asarray(classes.to_list(), dtype=str))
    unknown = sorted(set(names) - set(CLASSES))
    if unknown:
        raise DataError(f"{path}: class '{unknown[0]}' is not one of {', '.join(CLASSES)}")
    order = np.argsort(CLASSES)
    return ak.Array(order[np.searchsorted(CLASSES, names, sorter=order)])
