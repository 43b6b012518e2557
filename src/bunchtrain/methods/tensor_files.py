"""Files of tensors, written atomically and read without unpickling code."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from bunchtrain.files import atomic_path


def write_tensors(path: Path, tensors: dict[str, Any]) -> None:
    """Write a dictionary of tensors and plain values, atomically."""
    with atomic_path(path) as part:
        torch.save(tensors, part)


def read_tensors(path: Path) -> dict[str, Any]:
    """Return what `write_tensors` wrote; no code in the file is executed."""
    found: dict[str, Any] = torch.load(path, map_location="cpu", weights_only=True)
    return found
