"""Versions, commit and machine of a run."""

from __future__ import annotations

import os
import platform
import re
import subprocess
import sys
from importlib.metadata import distribution, requires, version
from pathlib import Path


def environment() -> dict[str, str]:
    """Return the versions, commit and machine as name → text."""
    return {
        "bunchtrain": version("bunchtrain"),
        "commit": commit(),
        "python": platform.python_version(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "accelerator": _accelerator(),
        **_versions(),
    }


def _accelerator() -> str:
    """Return the name of the first GPU, by torch where it is loaded, else by its driver."""
    if "torch" in sys.modules:
        import torch

        return torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    for path in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        if found := re.search(r"Model:\s*(.+)", path.read_text(encoding="utf-8")):
            return found[1].strip()
    return "none"


def commit() -> str:
    """Return the commit of the checkout that the package runs from, with '+' if it was changed."""
    folder = Path(__file__).resolve().parent
    try:
        revision = _git(folder, "rev-parse", "--short=12", "HEAD")
        changed = _git(folder, "status", "--porcelain", "--untracked-files=no")
    except (OSError, subprocess.SubprocessError):
        return "not in a checkout"
    return revision + ("+" if changed else "")


def _git(folder: Path, *arguments: str) -> str:
    command = ["git", "-C", str(folder), *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=10, check=True)
    return done.stdout.strip()


def _versions() -> dict[str, str]:
    names = {re.split(r"[\s\[<>=!~;]", need)[0] for need in requires("bunchtrain") or []}
    found = {}
    for name in sorted(names):
        try:
            found[name] = distribution(name).version
        except ImportError:
            continue
    return found
