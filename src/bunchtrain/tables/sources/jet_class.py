"""The JetClass data set in its published layout (arXiv:2202.03772)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import awkward as ak
import numpy as np

from bunchtrain.tables.sources.files import Files, unknown_column
from bunchtrain.tables.table import Table

CLASSES = ("QCD", "Hbb", "Hcc", "Hgg", "H4q", "Hqql", "Zqq", "Wqq", "Tbqq", "Tbl")


class JetClass(Table):
    """Jets of ten classes from the JetClass ROOT files (arXiv:2202.03772).

    Columns: the branches `jet_…`, `part_…`, `aux_…`, `label_…`, and `label`: the index of the class
    in (QCD, Hbb, Hcc, Hgg, H4q, Hqql, Zqq, Wqq, Tbqq, Tbl).

    files  path or glob, or a list of them.
    tree   name of the tree.
    """

    def __init__(self, *, files: str | list[str], tree: str = "tree") -> None:
        self._files = Files(files=files, tree=tree, format="root")
        self._labels = [f"label_{name}" for name in CLASSES]

    def fingerprint(self) -> str:
        """Return the fingerprint of the files."""
        return self._files.fingerprint()

    def fields(self) -> dict[str, str]:
        """Return column → type."""
        known = self._files.fields()
        for name in self._labels:
            if name not in known:
                raise unknown_column(name, known, "the JetClass file")
        return {**known, "label": "int64"}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in order, as records of these columns, in chunks of at most `rows`."""
        self.fields()
        stored = [column for column in columns if column != "label"]
        labels = self._labels if "label" in columns else []
        for chunk in self._files.blocks([*dict.fromkeys([*stored, *labels])], rows):
            if labels:
                flags = np.stack([ak.to_numpy(chunk[name]) for name in labels], axis=1)
                chunk = ak.with_field(chunk, flags.argmax(axis=1), "label")
            yield chunk[list(columns)] if columns else chunk
