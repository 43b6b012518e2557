"""Data frames that pandas wrote to HDF5, in its 'fixed' and 'table' formats; no PyTables needed."""

from __future__ import annotations

import io
import pickle
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.tables.reading.table import Table, read_errors


class _NamesUnpickler(pickle.Unpickler):
    """PyTables pickles lists of names: only lists, texts and numbers are accepted."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"a list of column names contains a {module}.{name}")


def layout(group: Any) -> str:
    """Return 'frame' for the fixed format, 'frame_table' for the table format, else ''."""
    kind = group.attrs.get("pandas_type", b"")
    text = kind.decode() if isinstance(kind, bytes) else str(kind)
    return text if text in ("frame", "frame_table") else ""


def texts(values: Any) -> list[Any]:
    """Return an array of bytes or strings as lists of strings."""
    if values.ndim > 1:
        return [texts(row) for row in values]
    return [v.decode("utf-8", "replace") if isinstance(v, bytes) else str(v) for v in values]


def column_name(name: Any) -> str:
    """Return a name that an expression can use; pandas names unnamed columns by integers."""
    if isinstance(name, bytes):
        return name.decode("utf-8", "replace")
    return name if isinstance(name, str) else f"column_{name}"


class PandasTable(Table):
    """A data frame: blocks of columns of one type, (rows, columns)."""

    def __init__(self, path: str, name: str, group: Any) -> None:
        self._fixed = layout(group) == "frame"
        self._group = group if self._fixed else group["table"]
        self._location: dict[str, tuple[str, int | None]] = {}
        locations = self._fixed_locations() if self._fixed else self._table_locations()
        entries = len(group["axis1"]) if self._fixed else len(self._group)
        super().__init__(path, name, entries)
        for column, (block, index) in locations:
            self._location[column] = (block, index)
            self._declare(column, self._dtype(block))

    def _declare(self, column: str, dtype: np.dtype[Any]) -> None:
        if dtype.kind == "O":
            self.unreadable[column] = "pandas pickled it"
        elif dtype.kind in "fiub" and dtype != np.float16:
            self.fields[column], self._field_of[column] = dtype.name, column
        else:
            self.declare(column, _plain(np.empty(0, dtype)))

    def _fixed_locations(self) -> Iterator[tuple[str, tuple[str, int | None]]]:
        for block in range(int(self._group.attrs["nblocks"])):
            for index, name in enumerate(self._group[f"block{block}_items"][:]):
                plain = name if isinstance(name, bytes) else name.item()
                yield column_name(plain), (f"block{block}_values", index)

    def _table_locations(self) -> Iterator[tuple[str, tuple[str, int | None]]]:
        for block in self._group.dtype.names:
            if block == "index":
                continue
            shape = self._group.dtype[block].shape
            for index, name in enumerate(self._names(block) if shape else [block]):
                yield column_name(name), (block, index if shape else None)

    def _names(self, block: str) -> list[Any]:
        pickled = bytes(self._group.attrs[f"{block}_kind"])
        return list(_NamesUnpickler(io.BytesIO(pickled)).load())

    def _dtype(self, block: str) -> np.dtype[Any]:
        dtype: np.dtype[Any] = self._group[block].dtype if self._fixed else self._group.dtype[block]
        return dtype.base

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        last = (self.entries or 0) if stop is None else stop
        blocks = list(dict.fromkeys(self._location[field][0] for field in fields))
        for low in range(start, last, rows):
            slabs = self._slabs(blocks, low, min(low + rows, last))
            yield {field: self._pick(slabs, *self._location[field]) for field in fields}

    def matrices(self, groups: Mapping[str, Sequence[str]], rows: int) -> Iterator[dict[str, Any]]:
        """Yield, for each group of numeric columns, a matrix (events ≤ rows, columns).

        Raises DataError for a missing column.
        """
        for columns in groups.values():
            self.check(columns)
        found = {n: [self._location[column] for column in columns] for n, columns in groups.items()}
        blocks = sorted({block for locations in found.values() for block, _ in locations})
        for low in range(0, self.entries or 0, rows):
            with read_errors(self.path):
                slabs = self._slabs(blocks, low, min(low + rows, self.entries or 0))
            yield {name: _stack(slabs, locations) for name, locations in found.items()}

    def _slabs(self, blocks: list[str], low: int, high: int) -> Mapping[str, Any]:
        if self._fixed:
            return {block: self._group[block][low:high] for block in blocks}
        slab = self._group.fields(blocks)[low:high]
        return {block: slab[block] for block in blocks}

    def _pick(self, slabs: Mapping[str, Any], block: str, index: int | None) -> ak.Array:
        return _plain(slabs[block] if index is None else slabs[block][:, index])


def _stack(slabs: Mapping[str, Any], locations: Sequence[tuple[str, int | None]]) -> Any:
    blocks = {block for block, _ in locations}
    if len(blocks) == 1 and locations[0][1] is not None:
        return slabs[blocks.pop()][:, [index for _, index in locations]]
    columns = [slabs[block] if k is None else slabs[block][:, k] for block, k in locations]
    return np.stack(columns, axis=1)


def _plain(values: Any) -> ak.Array:
    if values.dtype.kind == "S":
        return ak.Array(texts(values)) if len(values) else ak.Array([""])[:0]
    return ak.Array(np.ascontiguousarray(values))
