"""State of the training process: peak memory, freed memory, messages of libraries."""

from __future__ import annotations

import ctypes
import logging
import os
import re
import resource
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from bunchtrain.methods.task import Task

_CLEAR_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # names of glibc's settings, see mallopt(3)
_MAX_DYNAMIC_THRESHOLD = 2**25  # bytes; upper limit of glibc's own adaption of the threshold
_LOGGERS = ("pytorch_lightning", "lightning_fabric", "lightning.pytorch", "lightning.fabric")


def reset_peak() -> None:
    """Reset the peak memory on Linux; elsewhere it is that of the process since its start."""
    try:
        _CLEAR_REFS.write_text("5")  # resets VmHWM, see proc(5)
    except OSError:
        return


def peak_mb() -> float:
    """Return the largest resident memory since `reset_peak`, in units of 2²⁰ bytes."""
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())):
        return int(found[1]) / 2**10
    scale = 2**20 if sys.platform == "darwin" else 2**10  # the unit differs between systems
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale


def threads() -> int:
    """Return the number of threads that a library uses by default: OMP_NUM_THREADS, or all."""
    given = os.environ.get("OMP_NUM_THREADS", "").partition(",")[0]
    if given.isdigit() and int(given) > 0:
        return int(given)
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def set_threads(task: Task) -> None:
    """Set the number of threads of torch, where a task uses it."""
    if task.settings["threads"] and not task.is_on_arrays:
        import torch

        torch.set_num_threads(task.settings["threads"])


@contextmanager
def keep_freed_memory() -> Iterator[None]:
    """Keep freed memory in the process within this context, and return it at the end.

    By default glibc returns every block above 32 MB to the system when it is freed, and the system
    clears each page before it is used again: for tensors with a row per pair of particles that
    takes longer than the arithmetic. Without glibc nothing changes.
    """
    libc = ctypes.CDLL(None) if sys.platform == "linux" else None
    if libc is None or not (hasattr(libc, "mallopt") and hasattr(libc, "malloc_trim")):
        yield
        return
    libc.mallopt(_MMAP_THRESHOLD, 2**31 - 1)
    libc.mallopt(_TRIM_THRESHOLD, 2**31 - 1)
    try:
        yield
    finally:
        libc.mallopt(_MMAP_THRESHOLD, _MAX_DYNAMIC_THRESHOLD)
        libc.mallopt(_TRIM_THRESHOLD, 2 * _MAX_DYNAMIC_THRESHOLD)
        libc.malloc_trim(0)


@contextmanager
def silence_libraries() -> Iterator[None]:
    """Suppress the messages and warnings of Lightning and of the libraries that it calls."""
    levels = {name: logging.getLogger(name).level for name in _LOGGERS}
    try:
        for name in _LOGGERS:
            logging.getLogger(name).setLevel(logging.ERROR)
        with warnings.catch_warnings():
            for library in ("pytorch_lightning", "lightning_fabric", "torch", "tensorboard", "ray"):
                warnings.filterwarnings("ignore", module=rf"{library}(\.|$)")
            yield
    finally:
        for name, level in levels.items():
            logging.getLogger(name).setLevel(level)
