"""How many members of a study can be trained at once on this machine."""

from __future__ import annotations

import os
import re
from pathlib import Path

import torch

from bunchtrain.study import Study, model_configs

_MEMORY = Path("/proc/meminfo")


def room(study: Study) -> int:
    """Return how many members there is room for at once, at least 1.

    The cores are shared by `training.threads`, and each member counts with twice
    `storage.memory`. A member whose threads are not set takes all cores, and one on an
    accelerator or on another engine than `local` takes the machine, so they go one by one.
    """
    chosen = [member.training for member in model_configs(study).values()]
    alone = torch.cuda.is_available() or any(t.engine.name != "local" for t in chosen)
    if alone or not all(training.threads for training in chosen):
        return 1
    threads = max(training.threads or 1 for training in chosen)
    by_memory = available_memory() // (2 * study.storage.memory)
    return max(1, min(cores() // threads, by_memory, len(chosen)))


def cores() -> int:
    """Return the CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """Return the free memory in bytes; all of it where the system does not tell."""
    if _MEMORY.is_file():
        found = re.search(r"MemAvailable:\s*(\d+) kB", _MEMORY.read_text())
        if found:
            return int(found[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
