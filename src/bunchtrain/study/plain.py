"""Limits of the plain data of a study: size, depth, and the characters of its texts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any
from unicodedata import category

from bunchtrain.errors import StudyError, shorten

#: Maximum number of values in a study, in all of its lists and mappings.
VALUES = 200_000
#: Maximum number of lists and mappings in each other.
DEPTH = 50
#: Maximum number of characters of a text.
TEXT = 20_000


def check_plain(content: Any, key: str = "") -> None:
    """Raise StudyError for data of too many values, too deep, or with unprintable characters.

    Values are counted as often as they are referred to, so that a few YAML aliases of aliases
    cannot stand for millions of values.

    key  where the data are in the study, for messages.
    """
    for count, (where, value) in enumerate(_values(content, key, 0)):
        if count > VALUES:
            raise StudyError(f"more than {VALUES:,} values, aliases included; shorten the lists")
        if isinstance(value, str):
            _check_text(value, where)


def _values(value: Any, key: str, depth: int) -> Iterator[tuple[str, Any]]:
    if depth > DEPTH:
        raise StudyError(f"{shorten(key, plain=True)}: more than {DEPTH} levels of values")
    yield key, value
    inner: Any = ()
    if isinstance(value, Mapping):
        inner = value.items()
    elif isinstance(value, list | tuple):
        inner = enumerate(value)
    for name, one in inner:
        if isinstance(name, str):
            yield key, name
        yield from _values(one, f"{key}.{name}" if key else str(name), depth + 1)


def _check_text(text: str, where: str) -> None:
    start = f"{where}: " if where else ""
    if len(text) > TEXT:
        raise StudyError(f"{start}a text of {len(text):,} characters; give at most {TEXT:,}")
    if bad := next((c for c in text if category(c) in ("Cc", "Cs") and c not in "\n\t\r"), None):
        raise StudyError(f"{start}the text {shorten(text)} contains the character {bad!r}")
