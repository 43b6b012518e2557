"""Files that are there whole or not at all: written aside, then renamed."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import torch

from bunchtrain.errors import MachineError


def write(path: Path, writer: Callable[[Path], object]) -> None:
    """Let `writer` write a file beside `path`, then rename it to `path`.

    Raises MachineError if the disk refuses it.
    """
    aside = path.with_name(f".{path.name}.{os.getpid()}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        writer(aside)
        os.replace(aside, path)
    except OSError as problem:
        raise MachineError(f"cannot write {path}: {problem.strerror or problem}") from problem
    finally:
        aside.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file, aside and renamed."""
    write(path, lambda aside: aside.write_text(text, encoding="utf-8"))


def write_tensors(path: Path, tensors: dict[str, Any]) -> None:
    """Write a dictionary of tensors and plain values, aside and renamed."""
    write(path, lambda aside: torch.save(tensors, aside))


def read_tensors(path: Path) -> dict[str, Any]:
    """Return what `write_tensors` wrote; nothing in the file is executed."""
    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found
