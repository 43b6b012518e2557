"""One array of an NPZ archive, decompressed in consecutive blocks of rows."""

from __future__ import annotations

import zipfile
from typing import Any

import numpy as np

from bunchtrain.errors import DataError

#: Largest number of columns of an array in Fortran order that are read side by side.
_MAX_COLUMNS = 64


class NpyArray:
    """An array of an archive; a slice reads its rows.

    Of an array in Fortran order each column is decompressed by itself, and all of it is loaded if
    it has more than 64 of them. Raises DataError if the array is truncated, ValueError if it is no
    array.
    """

    def __init__(self, archive: zipfile.ZipFile, name: str) -> None:
        self._archive, self._name = archive, name
        self._files: list[Any] = []
        with archive.open(f"{name}.npy") as file:
            version = np.lib.format.read_magic(file)
            header = np.lib.format
            is_first = version == (1, 0)
            read = header.read_array_header_1_0 if is_first else header.read_array_header_2_0
            self.shape, fortran, self.dtype = read(file)
            self._begin = file.tell()
        if version == (3, 0):
            names = self.dtype.names or ()
            self.dtype.names = tuple(n.encode("latin1").decode() for n in names) or None
        self._fortran = fortran and len(self.shape) > 1
        self._loaded: Any = None
        size = self._begin + int(np.prod(self.shape, dtype=object)) * self.dtype.itemsize
        if not self.dtype.hasobject and archive.getinfo(f"{name}.npy").file_size < size:
            raise DataError(f"it has less than the {size} bytes of its shape {self.shape}")

    def __getitem__(self, block: slice) -> Any:
        if self.dtype.hasobject:
            raise TypeError("pickled Python objects")
        rows = block.stop - block.start
        columns = int(np.prod(self.shape[1:], dtype=object))
        if not self._fortran:
            values = self._read(0, block.start * columns, rows * columns)
            return values.reshape(rows, *self.shape[1:])
        if columns > _MAX_COLUMNS:
            return self._load(columns)[block]
        strips = [
            self._read(column, column * self.shape[0] + block.start, rows)
            for column in range(columns)
        ]
        flat = np.stack(strips, axis=1) if strips else np.empty((rows, 0), self.dtype)
        return flat.reshape(rows, *self.shape[1:], order="F")

    def _load(self, columns: int) -> Any:
        if self._loaded is None:
            flat = self._read(0, 0, self.shape[0] * columns)
            self._loaded = flat.reshape(self.shape, order="F")
        return self._loaded

    def _read(self, handle: int, begin: int, count: int) -> Any:
        """Return `count` values from the value `begin` on; each handle only moves forwards."""
        while len(self._files) <= handle:
            self._files.append(self._archive.open(f"{self._name}.npy"))
        if not count:
            return np.empty(0, self.dtype)
        file = self._files[handle]
        file.seek(self._begin + begin * self.dtype.itemsize)
        return np.frombuffer(file.read(count * self.dtype.itemsize), self.dtype)
