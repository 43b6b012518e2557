"""Memory that one training step frees, kept for the next one."""

from __future__ import annotations

import ctypes
import sys
from collections.abc import Iterator
from contextlib import contextmanager

_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of glibc's settings, see mallopt(3)
_USUAL = 2**25  # bytes; the most that glibc's own adaption of the threshold comes to


@contextmanager
def kept_memory() -> Iterator[None]:
    """Have freed memory stay with the process inside, and give it back at the end.

    By itself glibc gives every block above 32 MB back to the system as soon as it is freed, and
    the system clears each page before it lends it again: for tensors with a row a pair of particles
    that costs more than the arithmetic. Without glibc nothing changes.
    """
    libc = _glibc()
    if libc is None:
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, 2**31 - 1)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, _USUAL)
        libc.mallopt(_TRIM_THRESHOLD, 2 * _USUAL)
        libc.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """Return the C library if it is glibc, or None."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)
    return libc if hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim") else None
