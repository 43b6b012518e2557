"""Data frames that pandas wrote to HDF5, in its 'fixed' and 'table' formats; no PyTables needed."""

from __future__ import annotations

import io
import pickle
import re
from collections.abc import Iterator, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.tables.column_types import NANOSECONDS, as_text, kind
from bunchtrain.tables.reading.file_table import FileTable, read_errors
from bunchtrain.tables.reading.hdf5_values import as_boolean, logical_type, to_column

_DAYS_TO_1970 = date(1970, 1, 1).toordinal()
_LAYOUTS = ("frame", "frame_table", "series", "series_table")


class _NamesUnpickler(pickle.Unpickler):
    """PyTables pickles lists of names: only lists, texts and numbers are accepted."""

    def find_class(self, module: str, name: str) -> Any:
        raise pickle.UnpicklingError(f"a list of column names contains a {module}.{name}")


class _Column(NamedTuple):
    """Where a column is stored: an array or field, and its number in a block of columns.

    `codes` is the array, or field, of indices into `block`, for categories and levels of an index.
    """

    block: str
    number: int | None = None
    codes: str = ""


def layout(group: Any) -> str:
    """Return 'frame' or 'series' for the fixed format, '…_table' for the table format, else ''."""
    text = _text(group.attrs.get("pandas_type", b""))
    return text if text in _LAYOUTS else ""


def _text(value: Any) -> str:
    return value.decode("utf-8", "replace") if isinstance(value, bytes) else str(value)


def column_name(name: Any) -> str:
    """Return a name that an expression can use; pandas names unnamed columns by integers."""
    if isinstance(name, tuple | list):
        return "_".join(_text(part) for part in name)
    return _text(name) if isinstance(name, bytes | str) else f"column_{name}"


class PandasTable(FileTable):
    """A data frame: blocks of columns of one type, (rows, columns).

    Named levels of the index are columns, too.
    """

    def __init__(self, path: str, name: str, group: Any) -> None:
        self._fixed = not layout(group).endswith("table")
        if not self._fixed and "table" not in group:
            raise DataError(f"{path}: the data frame '{name}' has no array 'table'")
        self._group = group if self._fixed else group["table"]
        self._categories = group.get("meta", {})
        self._missing_text = _text(group.attrs.get("nan_rep", b"nan"))
        super().__init__(path, name, self._count_rows())
        self._location: dict[str, _Column] = {}
        self._block_types: dict[str, tuple[np.dtype[Any], str, bool]] = {}
        for column, location in self._fixed_columns() if self._fixed else self._table_columns():
            if column in self._location:
                self.types.pop(column, None)
                self.unreadable[column] = "several columns of the file have this name"
                continue
            self._location[column] = location
            self._declare(column, location)

    def _count_rows(self) -> int:
        if not self._fixed:
            return len(self._group)
        index = "axis1" if layout(self._group) == "frame" else "index"
        rows = f"{index}_label0" if f"{index}_label0" in self._group else index
        return _shape(self._group[rows])[0]

    def _declare(self, column: str, location: _Column) -> None:
        dtype, stored, pickled = self._block_type(location.block)
        if pickled or dtype.kind == "O":
            self.unreadable[column] = (
                "pandas pickled its Python objects; write the frame with format='table'"
            )
        elif re.match("timedelta", stored):
            self.unreadable[column] = f"its type is {stored}"
        elif stored.startswith("date") and not location.codes:
            self.types[column], self._field_of[column] = str(NANOSECONDS), column
        elif dtype.kind in "fiu" and dtype.itemsize in (1, 4, 8) and not location.codes:
            name = "bool" if stored == "bool" else dtype.newbyteorder("=").name
            self.types[column], self._field_of[column] = name, column
        else:
            try:
                self.declare(column, self._pick(self._slabs([location], 0, 0), location))
            except TypeError as problem:
                self.unreadable[column] = f"its type is {dtype}: {problem}"

    def _fixed_columns(self) -> Iterator[tuple[str, _Column]]:
        group = self._group
        is_series = layout(group) == "series"
        index = "index" if is_series else "axis1"
        if f"{index}_nlevels" in group.attrs:
            for level in range(int(group.attrs[f"{index}_nlevels"])):
                values = f"{index}_level{level}"
                name = _index_name(group[values]) or f"level_{level}"
                yield name, _Column(values, codes=f"{index}_label{level}")
        elif name := _index_name(group[index]):
            yield name, _Column(index)
        if is_series:
            yield _index_name(group) or "values", _Column("values")
            return
        for block in range(int(group.attrs["nblocks"])):
            for number, name in enumerate(self._block_names(f"block{block}_items")):
                yield column_name(name), _Column(f"block{block}_values", number)

    def _block_names(self, items: str) -> list[Any]:
        """Return the names of the columns of a block, tuples if they have several levels."""
        group = self._group
        levels = int(group.attrs.get(f"{items}_nlevels", 0))
        if not levels:
            return [name if isinstance(name, bytes) else name.item() for name in group[items][:]]
        parts = [
            group[f"{items}_level{k}"][:][group[f"{items}_label{k}"][:]] for k in range(levels)
        ]
        return list(zip(*parts, strict=True))

    def _table_columns(self) -> Iterator[tuple[str, _Column]]:
        for block in self._group.dtype.names:
            if block == "index":
                continue
            shape = self._group.dtype[block].shape
            is_category = _text(self._group.attrs.get(f"{block}_meta", b"")) == "category"
            for number, name in enumerate(self._names(block) if shape else [block]):
                values, index = block, number if shape else None
                yield column_name(name), _Column(values, index, block if is_category else "")

    def _names(self, block: str) -> list[Any]:
        pickled = bytes(self._group.attrs[f"{block}_kind"])
        return list(_NamesUnpickler(io.BytesIO(pickled)).load())

    def _block_type(self, block: str) -> tuple[np.dtype[Any], str, bool]:
        """Return the stored type of a block, its type in pandas, and whether it was pickled."""
        if block not in self._block_types:
            pickled = self._logical(block) == "pickled"
            self._block_types[block] = (self._dtype(block), self._stored_type(block), pickled)
        return self._block_types[block]

    def _stored_type(self, block: str) -> str:
        """Return the type of the values in pandas, which may be stored as another one."""
        if not self._fixed:
            found = _text(self._group.attrs.get(f"{block}_dtype", b""))
            return found or self._logical(block).replace("boolean", "bool")
        array = self._group[block]
        logical = self._logical(block).replace("boolean", "bool")
        return _text(array.attrs.get("value_type", b"")) or logical or _index_kind(array)

    def _logical(self, block: str) -> str:
        return logical_type(self._group[block] if self._fixed else self._group, self._field(block))

    def _field(self, block: str) -> str | None:
        return None if self._fixed else block

    def _dtype(self, block: str) -> np.dtype[Any]:
        if not self._fixed:
            base: np.dtype[Any] = self._group.dtype[block].base
            return base
        array = self._group[block]
        value_type = _text(array.attrs.get("value_type", b""))
        if _is_empty(array) and value_type and not re.match("datetime|timedelta", value_type):
            return np.dtype(value_type)
        dtype: np.dtype[Any] = array.dtype
        return dtype

    def _read(
        self, fields: list[str], rows: int, start: int, stop: int | None
    ) -> Iterator[Mapping[str, ak.Array]]:
        last = (self.entries or 0) if stop is None else stop
        locations = [self._location[field] for field in fields]
        for low in range(start, last, rows):
            slabs = self._slabs(locations, low, min(low + rows, last))
            yield {field: self._pick(slabs, self._location[field]) for field in fields}

    def matrices(
        self,
        groups: Mapping[str, Sequence[str]],
        rows: int,
        start: int = 0,
        stop: int | None = None,
    ) -> Iterator[dict[str, Any]]:
        """Yield, for each group of numeric columns, a matrix (events ≤ rows, columns).

        Of the events `start` to `stop`, the last one if None.

        Raises DataError for a missing column.
        """
        for columns in groups.values():
            self.check(columns)
        found = {n: [self._location[column] for column in columns] for n, columns in groups.items()}
        stored = [location for locations in found.values() for location in locations]
        last = (self.entries or 0) if stop is None else stop
        for low in range(start, last, rows):
            with read_errors(self.path):
                slabs = self._slabs(stored, low, min(low + rows, last))
            yield {name: _stack(slabs, locations) for name, locations in found.items()}

    def _slabs(self, columns: Sequence[_Column], low: int, high: int) -> Mapping[str, Any]:
        """Return the rows low:high of the arrays of some columns, and all levels of an index."""
        blocks = sorted({column.codes or column.block for column in columns})
        if not self._fixed:
            slab = self._group.fields(blocks)[low:high]
            return {block: slab[block] for block in blocks}
        levels = {column.block for column in columns if column.codes}
        read = {block: self._rows(block, low, high) for block in blocks}
        return read | {block: self._rows(block, 0, None) for block in levels}

    def _rows(self, block: str, low: int, high: int | None) -> Any:
        array = self._group[block]
        if _is_empty(array):
            return np.empty(_shape(array), self._block_type(block)[0])
        return array[low:high]

    def _pick(self, slabs: Mapping[str, Any], column: _Column) -> ak.Array:
        """Return a column of a block; raises TypeError for a type that is no column."""
        codes = slabs[column.codes or column.block]
        codes = codes if column.number is None else codes[:, column.number]
        if not column.codes:
            return self._plain(column.block, codes)
        if self._fixed:
            values = self._plain(column.block, slabs[column.block])
        else:
            stored = self._categories[f"{column.block}/meta/table"][:]["values"]
            values = self._without_nan_text(to_column(stored))
        index = ak.index.Index64(codes.astype(np.int64))
        return ak.Array(ak.contents.IndexedOptionArray.simplified(index, values.layout))

    def _plain(self, block: str, values: Any) -> ak.Array:
        if values.dtype.kind == "S":
            return self._without_nan_text(to_column(values))
        stored = self._block_type(block)[1]
        if stored == "bool" and values.dtype.kind in "ui":
            values = as_boolean(values)
        if stored == "date":  # days since the year 1
            values = (values - _DAYS_TO_1970).astype("datetime64[D]")
        elif stored.startswith("datetime64"):
            resolution = stored if "[" in stored else NANOSECONDS
            values = np.ascontiguousarray(values, np.int64).view(resolution)
        return to_column(values)

    def _without_nan_text(self, values: ak.Array) -> ak.Array:
        """Return text in which the word that pandas writes for a missing one is missing."""
        if self._fixed or kind(values) != "text":
            return values
        texts = as_text(values)
        return ak.mask(texts, texts != self._missing_text)


def _is_empty(array: Any) -> bool:
    """Return whether pandas stored an array without values, as one of a single value."""
    return "shape" in array.attrs and "value_type" in array.attrs


def _shape(array: Any) -> tuple[int, ...]:
    if not _is_empty(array):
        return tuple(array.shape)
    # Of an array without values it is (columns, rows).
    return tuple(reversed(_NamesUnpickler(io.BytesIO(bytes(array.attrs["shape"]))).load()))


def _index_name(array: Any) -> str:
    """Return the name of an index; pandas pickles a missing one."""
    name = _text(array.attrs.get("name", b"N."))
    return "" if name == "N." else name


def _index_kind(array: Any) -> str:
    kind = _text(array.attrs.get("kind", b""))
    return kind if re.match("datetime64|timedelta64|date$", kind) else ""


def _stack(slabs: Mapping[str, Any], locations: Sequence[_Column]) -> Any:
    blocks = {location.block for location in locations}
    if len(blocks) == 1 and locations[0].number is not None:
        return slabs[blocks.pop()][:, [location.number for location in locations]]
    columns = [slabs[b] if k is None else slabs[b][:, k] for b, k, _ in locations]
    return np.stack(columns, axis=1)
