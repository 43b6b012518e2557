"""The peak memory of a stretch of this process."""

from __future__ import annotations

import re
import resource
import sys
from pathlib import Path

_REFS, _STATUS = Path("/proc/self/clear_refs"), Path("/proc/self/status")


def reset_peak() -> None:
    """Begin a new stretch, where the system can (Linux); elsewhere the process is one stretch."""
    try:
        _REFS.write_text("5")  # resets VmHWM, see proc(5)
    except OSError:
        return


def peak_mb() -> float:
    """Return the largest resident memory since `reset_peak`, in units of 2²⁰ bytes."""
    if _STATUS.exists() and (found := re.search(r"VmHWM:\s*(\d+) kB", _STATUS.read_text())):
        return int(found[1]) / 2**10
    scale = 2**20 if sys.platform == "darwin" else 2**10  # the unit differs between systems
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / scale
