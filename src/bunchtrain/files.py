"""Atomic writing of files, to a temporary name and then renamed; checked reading of JSON."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter, ValidationError

from bunchtrain.errors import RunError, UserError, file_error, shorten

#: Bytes of the longest name of a file, and of the longest path.
_LONGEST_NAME, _LONGEST_PATH = 255, 4095


def cache_folder(chosen: str | None = None) -> Path:
    """Return the folder of all caches: `chosen`, $BUNCHTRAIN_CACHE or ~/.cache/bunchtrain.

    Raises UserError for a name with control characters, or an unknown variable or user.
    """
    place = chosen or os.environ.get("BUNCHTRAIN_CACHE") or "~/.cache/bunchtrain"
    found = os.path.expanduser(os.path.expandvars(place))
    if not found.strip() or not found.isprintable() or found.startswith(("$", "~")):
        raise UserError(
            f"{shorten(place)} is no cache folder: give a folder in BUNCHTRAIN_CACHE or "
            "storage.folder"
        )
    return Path(found)


def as_path(given: object, what: str) -> Path:
    """Return a path given from Python.

    given  text or path.
    what   its meaning, for the message.

    Raises UserError if it is something else, has a NUL byte or is too long.
    """
    if not isinstance(given, str | os.PathLike) or "\0" in str(given):
        raise UserError(f"{what} must be a path, got {shorten(given)}")
    text = str(given).encode(errors="surrogatepass")
    too_long = len(text) > _LONGEST_PATH or max(map(len, text.split(b"/"))) > _LONGEST_NAME
    if too_long and b"://" not in text:
        raise UserError(f"{what} has too long a name: {shorten(given)}")
    return Path(given)


@contextmanager
def atomic_path(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Yield a temporary path in the same folder, which is renamed to `path` if no error occurs.

    Raises MachineError if the disk is full, UserError if the folder cannot be written to.
    """
    target = Path(path)
    part = target.with_name(f".{target.name}.{os.getpid()}.part")
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        yield part
        os.replace(part, target)
    except OSError as problem:
        raise file_error(problem, f"'{target}' cannot be written") from None
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)


def write_text(path: Path, text: str) -> None:
    """Write a text file atomically."""
    with atomic_path(path) as part:
        part.write_text(text, encoding="utf-8")


def write_json(path: Path, content: object) -> None:
    """Write a JSON file atomically."""
    write_text(path, as_json(content))


def write_csv(path: Path, rows: Sequence[Mapping[str, object]]) -> None:
    """Write rows as CSV atomically; columns are the keys of the first row."""
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text(path, text.getvalue())


def as_json(content: object) -> str:
    """Return the text of a JSON file."""
    return json.dumps(content, indent=1, default=_as_plain) + "\n"


def _as_plain(value: Any) -> Any:
    """Return numbers and arrays of NumPy as those of Python, other objects as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def read_json(path: Path, kind: Any = dict[str, Any]) -> Any:
    """Return the content of a JSON file of a run.

    path  file.
    kind  type of the content, which it is checked against.

    Raises RunError if it cannot be read, is not JSON or has another type.
    """
    try:
        text = path.read_bytes()
        _adapter(kind).validate_json(text, strict=True)
        return json.loads(text)
    except ValidationError as problem:
        first = problem.errors(include_url=False, include_input=False)[0]
        key = ".".join(map(str, first["loc"]))[:80]
        what = first["msg"].replace("Input should be", "it must be").replace("a valid ", "a ")
        reason = f"{key}: {what}" if key else what
    except (OSError, ValueError, RecursionError) as problem:
        reason = getattr(problem, "strerror", None) or str(problem)
    raise damaged(path, reason)


@lru_cache(64)
def _adapter(kind: Any) -> TypeAdapter[Any]:
    """Return the validator of a type, which takes milliseconds to build."""
    return TypeAdapter(kind)


def damaged(path: Path, reason: object) -> RunError:
    """Return the error of a file of a run that cannot be read."""
    text = " ".join(str(reason).split())[:160]
    return RunError(
        f"{path} is damaged or not a file of this run ({text}): restore it, or run the study again"
    )


def hash_file(path: Path) -> str:
    """Return the SHA-256 of a file as hexadecimal text."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
