"""How a worker tells, in a file of the task's folder, what made it stop."""

from __future__ import annotations

import json
from pathlib import Path

from bunchtrain import errors
from bunchtrain.errors import BunchtrainError
from bunchtrain.files import write_text

_FILE = "failure.json"


def record_failure(folder: str, failure: BunchtrainError) -> None:
    """Write down an error for the process that waits for the workers."""
    content = {"kind": type(failure).__name__, "message": str(failure)}
    write_text(Path(folder) / _FILE, json.dumps(content))


def raise_failure(folder: str) -> None:
    """Raise the error that a worker has recorded, if any."""
    path = Path(folder) / _FILE
    if path.is_file():
        content = json.loads(path.read_text(encoding="utf-8"))
        path.unlink()
        raise getattr(errors, content["kind"])(content["message"])


def forget_failure(folder: str) -> None:
    """Remove what an earlier training recorded."""
    (Path(folder) / _FILE).unlink(missing_ok=True)
