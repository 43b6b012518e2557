"""Atomic writing of files, to a temporary name and then renamed, and the cache folder."""

from __future__ import annotations

import csv
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

from bunchtrain.errors import MachineError


def cache_folder(chosen: str | None = None) -> Path:
    """Return the folder of all caches: `chosen`, $BUNCHTRAIN_CACHE or ~/.cache/bunchtrain."""
    place = chosen or os.environ.get("BUNCHTRAIN_CACHE") or "~/.cache/bunchtrain"
    return Path(place).expanduser()


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the same folder, which is renamed to `path` if no error occurs.

    Raises MachineError if the disk is full or the folder cannot be written to.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, target)
    except OSError as problem:
        reason = problem.strerror or str(problem)
        raise MachineError(f"'{target}' cannot be written: {reason}") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write a JSON file atomically."""
    write_text(path, json.dumps(content, indent=1, default=str) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV atomically; columns are the keys of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
