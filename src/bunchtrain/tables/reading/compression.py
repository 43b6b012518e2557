"""Compressions of HDF5 that the library itself lacks, as the Blosc of PyTables."""

from __future__ import annotations

import importlib
from typing import Any

import h5py

from bunchtrain.errors import missing


def ready(item: Any) -> Any:
    """Return an array, or a group of arrays, after making sure that it can be decompressed.

    Raises MissingDependency if that needs hdf5plugin and it is not installed.
    """
    if isinstance(item, h5py.Group):
        for inner in item.values():
            if isinstance(inner, h5py.Dataset):
                ready(inner)
        return item
    properties = item.id.get_create_plist()
    for number in range(properties.get_nfilters()):
        code, _, _, name = properties.get_filter(number)
        if not h5py.h5z.filter_avail(code):
            _register(item, name.decode("utf-8", "replace") or str(code))
    return item


def _register(item: Any, name: str) -> None:
    purpose = f"the compression '{name}' of '{item.name}' in {item.file.filename}"
    try:
        importlib.import_module("hdf5plugin")
    except ImportError:
        raise missing("hdf5plugin", "hdf5", purpose) from None
