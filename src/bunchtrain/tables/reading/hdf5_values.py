"""Blocks of HDF5 arrays as columns: byte order, text, booleans, lists of variable length."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import awkward as ak
import h5py
import numpy as np

from bunchtrain.errors import DataError

#: PyTables' marks of arrays whose items are not what HDF5 stores → what they are.
_PSEUDO = {b"vlstring": "text", b"vlunicode": "text of 32-bit characters", b"object": "pickled"}


def logical_type(array: Any, field: str | None = None) -> str:
    """Return what PyTables stores in an array, or in a field, where HDF5 has another type, or ''.

    It is 'boolean' (h5py gives uint8), 'text', 'text of 32-bit characters' or 'pickled'.
    """
    kind = array.id.get_type()
    if field is not None:
        kind = kind.get_member_type(kind.get_member_index(field.encode()))
    if isinstance(kind, h5py.h5t.TypeArrayID | h5py.h5t.TypeVlenID):
        kind = kind.get_super()
    if isinstance(kind, h5py.h5t.TypeBitfieldID):
        return "boolean"
    return _PSEUDO.get(array.attrs.get("PSEUDOATOM", b""), "")


def member_names(array: Any) -> list[str]:
    """Return the names of the fields of a structured array."""
    kind = array.id.get_type()
    if not isinstance(kind, h5py.h5t.TypeCompoundID):
        return []
    return [kind.get_member_name(k).decode() for k in range(kind.get_nmembers())]


def unsupported(array: Any) -> str:
    """Return why h5py has no type for an array, as for the times of PyTables, or ''."""
    try:
        array.dtype  # noqa: B018
    except TypeError as problem:
        kind = array.id.get_type()
        times = [
            name
            for k, name in enumerate(member_names(array))
            if isinstance(kind.get_member_type(k), h5py.h5t.TypeTimeID)
        ]
        if times:
            return f"the field '{times[0]}' of its array is a time, which h5py cannot read"
        return f"its type cannot be read by h5py: {problem}"
    return ""


def to_column(values: Any, logical: str = "") -> ak.Array:
    """Return a block of an array, (events, …), as a column.

    `logical` is the `logical_type` of the array. Raises TypeError for a type that is no column.
    """
    if logical == "pickled":
        raise TypeError("pickled Python objects")
    if values.dtype.kind == "O":
        return _from_objects(values, logical)
    if values.dtype.names is not None:
        fields = {name: to_column(values[name]) for name in values.dtype.names}
        return ak.zip(fields, depth_limit=values.ndim)
    if values.dtype.kind == "V":
        raise TypeError("opaque bytes")
    if logical == "boolean":
        return ak.Array(np.ascontiguousarray(as_boolean(values)))
    if values.dtype.kind == "f" and values.dtype.itemsize > 8:
        raise TypeError(str(values.dtype))
    native = values.dtype.newbyteorder("=")
    return ak.Array(np.ascontiguousarray(values.astype(native, copy=False)))


def as_boolean(values: Any) -> Any:
    """Return stored bytes 0 and 1 as booleans, or raise DataError for others."""
    if values.size and values.max() > 1:
        raise DataError(f"it has the value {values.max()}, and its type is boolean")
    return values.astype(bool)


def _from_objects(values: Any, logical: str) -> ak.Array:
    """Return text, or lists of variable length, from an array of Python objects."""
    item = h5py.check_vlen_dtype(values.dtype)
    flat = list(values.ravel())
    if h5py.check_string_dtype(values.dtype):
        column = _texts(flat, lambda item: item)
    elif logical == "text":
        column = _texts(flat, lambda item: bytes(item.astype(np.uint8)))
    elif logical == "text of 32-bit characters":
        column = _texts(flat, lambda item: "".join(map(chr, item)))
    elif item is None or item.kind == "O":
        raise TypeError("references or lists of lists")
    elif not item.base.isnative:
        raise TypeError(f"lists of {item}, whose byte order h5py does not return")
    else:
        counts = np.array([len(part) for part in flat], np.int64)
        parts = np.concatenate([np.empty((0, *item.shape), item.base), *flat])
        column = ak.unflatten(to_column(parts, logical), counts)
    for axis in range(values.ndim - 1, 0, -1):
        length = int(np.prod(values.shape[:axis]))
        column = ak.Array(ak.contents.RegularArray(column.layout, values.shape[axis], length))
    return column


def _texts(items: list[Any], convert: Callable[[Any], Any]) -> ak.Array:
    found = [convert(item) for item in items]
    try:
        texts = [item.decode() if isinstance(item, bytes) else str(item) for item in found]
    except UnicodeDecodeError:
        raise DataError("it has bytes that are not UTF-8 text") from None
    return ak.Array([*texts, ""])[:-1]
