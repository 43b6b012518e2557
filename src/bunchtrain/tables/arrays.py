"""Events in memory: arrays by name, data frames, records; read as a source, given back alike."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import Any

import awkward as ak
import numpy as np
import pyarrow as pa

from bunchtrain.errors import DataError, nearest, shorten
from bunchtrain.tables.arrow import from_arrow
from bunchtrain.tables.column_types import simplify, split_records
from bunchtrain.tables.table import Table
from bunchtrain.tables.units import (
    Units,
    canonical,
    column_units,
    convert,
    converted,
    present_units,
)


class Arrays(Table):
    """Events of a mapping of arrays, a data frame, a structured or awkward array, or a table.

    Args:
        data: name → values (events,) or lists of values; `pandas.DataFrame`; numpy array with
            named fields; awkward array of records; `pyarrow.Table`.
        units: unit of the energies, momenta and masses, or of columns, as in the source `files`.

    Raises DataError for another type, for columns of different lengths or of an unknown type.
    """

    def __init__(self, data: Any, units: Units | None = None) -> None:
        self._columns: dict[str, ak.Array] = {}
        for name, values in _by_name(data).items():
            for column, part in split_records(str(name), _as_array(str(name), values)).items():
                self._columns[column] = simplify(part)
        lengths = {name: len(values) for name, values in self._columns.items()}
        if len(set(lengths.values())) > 1:
            (first, n), (other, m) = next(
                (a, b) for a in lengths.items() for b in lengths.items() if a[1] != b[1]
            )
            raise DataError(f"'{first}' has {n:,} events and '{other}' {m:,}; give equal lengths")
        self._entries = next(iter(lengths.values()), 0)
        self._unit_of = column_units(present_units(units, lengths), self.fields())
        for name, unit in converted(self._unit_of).items():
            self._columns[name] = convert(self._columns[name], unit)

    def fingerprint(self) -> str:
        """Return a text that is different for any other object."""
        return f"arrays in memory {id(self)}"

    def fields(self) -> dict[str, str]:
        """Return column → type."""
        return {n: str(v.type).partition(" * ")[2] for n, v in self._columns.items()}

    def units(self) -> dict[str, str]:
        """Return column → unit after the conversion."""
        return {name: canonical(unit) for name, unit in self._unit_of.items()}

    @property
    def entries(self) -> int:
        """The number of events."""
        return self._entries

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the events as records of these columns in chunks of at most `rows`."""
        for name in columns:
            if name not in self._columns:
                raise DataError(f"the data have no column '{name}'{nearest(name, self._columns)}")
        for start in range(0, self._entries, rows):
            found = {name: self._columns[name][start : start + rows] for name in columns}
            length = min(rows, self._entries - start)
            yield ak.zip(found, depth_limit=1) if found else _records(length)


class Condition(Arrays):
    """A small table with one row for each key, which travels with events, such as a geometry.

    Args:
        data: as of `Arrays`.
        keys: columns that name a row.
        units: as of `Arrays`.
    """

    def __init__(self, data: Any, keys: Sequence[str], units: Units | None = None) -> None:
        super().__init__(data, units)
        self.keys = tuple(keys)

    @property
    def key_columns(self) -> Sequence[str]:
        """The columns that name a row."""
        return self.keys

    def fingerprint(self) -> str:
        """Return the content as text."""
        return f"condition {json.dumps({n: v.to_list() for n, v in self._columns.items()})}"


def _records(length: int) -> ak.Array:
    return ak.Array(ak.contents.RecordArray([], [], length=length))


def is_data(data: object) -> bool:
    """Return whether these are events in memory, and not the name of a file."""
    kinds = (Mapping, ak.Array, np.ndarray, pa.Table)
    return isinstance(data, kinds) or _is_frame(data)


def like(data: Any, columns: Mapping[str, Any]) -> Any:
    """Return columns (rows,), as numpy or lists as awkward, as the same kind of object as `data`.

    A data frame keeps its index if it has as many rows; a mapping gives a dictionary of arrays.
    """
    if isinstance(data, ak.Array):
        return ak.zip(dict(columns), depth_limit=1)
    if isinstance(data, pa.Table):
        return pa.table({n: _arrow(v) for n, v in columns.items()})
    if isinstance(data, Mapping):
        return dict(columns)
    own = {n: _objects(v) if isinstance(v, ak.Array) else v for n, v in columns.items()}
    rows = len(next(iter(own.values())))
    if _is_frame(data):
        return type(data)(own, index=data.index if len(data) == rows else None)
    records = np.empty(rows, np.dtype([(name, values.dtype) for name, values in own.items()]))
    for name, values in own.items():
        records[name] = values
    return records


def _arrow(values: Any) -> Any:
    return ak.to_arrow(values, extensionarray=False) if isinstance(values, ak.Array) else values


def _objects(lists: ak.Array) -> np.ndarray[Any, Any]:
    """Return lists (rows,) as an array of objects, each a list."""
    found = np.empty(len(lists), object)
    for row, one in enumerate(ak.to_list(lists)):
        found[row] = one
    return found


def _is_frame(data: object) -> bool:
    return type(data).__name__ == "DataFrame" and hasattr(data, "index")


def _by_name(data: Any) -> Mapping[Any, Any]:
    if isinstance(data, Mapping):
        return data
    if isinstance(data, ak.Array) and ak.fields(data):
        return {name: data[name] for name in ak.fields(data)}
    if isinstance(data, np.ndarray) and data.dtype.names:
        return {name: data[name] for name in data.dtype.names}
    if isinstance(data, pa.Table):
        return {name: data[name] for name in data.column_names}
    if _is_frame(data):
        return {name: data[name] for name in data.columns}
    raise DataError(
        f"events of type {type(data).__name__} have no named columns; give a mapping of arrays, a "
        "DataFrame, a structured array, an awkward array of records or a pyarrow table"
    )


def _as_array(name: str, values: Any) -> ak.Array:
    """Return one column of any library as an awkward array."""
    try:
        if not hasattr(values, "__len__") or getattr(values, "ndim", 1) == 0:
            raise TypeError(f"it is {shorten(values)}, not an array")
        if isinstance(values, ak.Array):
            return values
        if isinstance(values, np.ndarray) and values.dtype.kind in "biuf":
            return ak.Array(np.ascontiguousarray(values, values.dtype.newbyteorder("=")))
        if isinstance(values, pa.ChunkedArray):
            found = values
        else:  # a series, a list, an array of strings or of arrays
            found = pa.chunked_array([pa.array(values, from_pandas=True)])
        if pa.types.is_dictionary(found.type):
            found = pa.chunked_array([c.dictionary_decode() for c in found.chunks], None)
        found = found.cast(pa.float64()) if pa.types.is_null(found.type) else found
        return from_arrow(found.combine_chunks())
    except (
        pa.ArrowException,
        TypeError,
        ValueError,
        NotImplementedError,
        OverflowError,
    ) as problem:
        reason = " ".join(str(problem).split())[:120]
        raise DataError(f"the column '{name}' cannot be used as events: {reason}") from None
