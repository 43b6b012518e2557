"""Giving freed memory back to the system, which the C library otherwise keeps in fragments."""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any


@cache
def _library() -> Any:
    return ctypes.CDLL(None)


def give_back() -> None:
    """Return freed memory to the system where the C library can (glibc), else do nothing.

    Blocks of tens of megabytes that come and go leave holes; without this a process that streams
    for long grows although it never holds more.
    """
    if hasattr(_library(), "malloc_trim"):
        _library().malloc_trim(0)
