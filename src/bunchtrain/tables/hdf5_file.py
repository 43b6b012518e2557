"""HDF5 files that can be written to a full disk: an error of the disk is raised once, by us.

The library has the blocks of a file in memory when it is closed. If they cannot be written it
prints a traceback for each, keeps the file open and ends the process with a segmentation fault.
"""

from __future__ import annotations

import io
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import h5py


class _Disk(io.FileIO):
    """A file that keeps the first error of writing, and writes nothing after it."""

    problem: OSError | None = None

    def write(self, data: Any, /) -> int:
        """Write all bytes, unless an earlier write has failed; return how many there are."""
        left = memoryview(data).cast("B")
        size = len(left)
        while len(left) and self.problem is None:
            try:
                left = left[super().write(left) :]
            except OSError as problem:
                self.problem = problem
        return size

    def truncate(self, size: int | None = None, /) -> int:
        """Set the length of the file, unless an earlier write has failed."""
        try:
            return self.tell() if self.problem else super().truncate(size)
        except OSError as problem:
            self.problem = problem
            return self.tell()

    def readinto(self, buffer: Any, /) -> int:
        """Read bytes that were written, zeros where they could not be."""
        view = memoryview(buffer).cast("B")
        found = super().readinto(view) or 0
        view[found:] = bytes(len(view) - found)
        return len(view)


@contextmanager
def new_hdf5_file(path: Path) -> Iterator[h5py.File]:
    """Yield a new file; raises OSError, with its number, if a block of it cannot be written."""
    import h5py

    with _Disk(os.fspath(path), "w+b") as disk:
        with h5py.File(disk, "w") as file:
            yield file
        if disk.problem:
            raise disk.problem
