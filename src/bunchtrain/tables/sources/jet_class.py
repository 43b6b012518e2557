"""The JetClass data set in its published layout (arXiv:2202.03772)."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import awkward as ak
import numpy as np

from bunchtrain.tables.sources.files import Files, unknown_column
from bunchtrain.tables.table import Piece, Table

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
        return self._labelled(self._files.blocks(self._stored(columns), rows), columns)

    def pieces(self, rows: int) -> list[Piece]:
        """Return ranges of the files."""
        return self._files.pieces(rows)

    def blocks_of(self, piece: Piece, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the rows of a piece."""
        return self._labelled(self._files.blocks_of(piece, self._stored(columns), rows), columns)

    def _stored(self, columns: Collection[str]) -> list[str]:
        self.fields()
        labels = self._labels if "label" in columns else []
        return [*dict.fromkeys([*(one for one in columns if one != "label"), *labels])]

    def _labelled(self, blocks: Iterator[ak.Array], columns: Collection[str]) -> Iterator[ak.Array]:
        for chunk in blocks:
            if "label" in columns:
                flags = np.stack([ak.to_numpy(chunk[name]) for name in self._labels], axis=1)
                chunk = ak.with_field(chunk, flags.argmax(axis=1), "label")
            yield chunk[list(columns)] if columns else chunk
