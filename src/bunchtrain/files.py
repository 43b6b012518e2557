"""Files that are there whole or not at all, written aside, then renamed; and where caches lie."""

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
    """Return where all that is kept between runs lies: `chosen`, or what is set for all of them.

    That is $BUNCHTRAIN_CACHE, or ~/.cache/bunchtrain if it is unset.
    """
    place = chosen or os.environ.get("BUNCHTRAIN_CACHE") or "~/.cache/bunchtrain"
    return Path(place).expanduser()


@contextmanager
def aside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a path beside `path` to write to, which takes its place at the end without error.

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
    """Write a text file, aside and renamed."""
    with aside(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write a JSON file, aside and renamed."""
    write_text(path, json.dumps(content, indent=1, default=str) + "\n")


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV with the keys of the first one as columns, numbers in full precision."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())
