"""Examples of parts: as a study has them, and the studies that use a part."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import yaml

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.study.base import LISTS
from bunchtrain.study.loading import known, read

#: Kind of part → the key of a study, where it has another name.
_KEYS = {"systematic": "systematics"}
#: Options of an example that is made from the signature.
_MAX_OPTIONS = 5


def example(kind: str, name: str) -> str:
    """Return a part as YAML of a study: as the shortest study that sets options of it, or made.

    An example that is made has the options that a study must give, as `<type>`, and a few others
    with their defaults.
    """
    own = parts.short_name(name)
    found = [_yaml(kind, used) for _, used in _uses(kind) if used["name"] == own and len(used) > 1]
    return min(found, key=len) if found else _made(kind, name)


def studies_with(kind: str, name: str) -> list[str]:
    """Return the names of the studies, of those that are run by name, that use a part."""
    own = parts.short_name(name)
    return sorted({study for study, used in _uses(kind) if used["name"] == own})


def _made(kind: str, name: str) -> str:
    chosen: dict[str, Any] = {"name": name}
    for option in parts.options(parts.find(kind, name)).values():
        if option.required:
            chosen[option.name] = f"<{option.type}>"
        elif len(chosen) <= _MAX_OPTIONS and isinstance(option.default, str | int | float):
            chosen[option.name] = option.default
    return _yaml(kind, chosen)


def _yaml(kind: str, part: dict[str, Any]) -> str:
    """Return a part under its key of a study."""
    content: Any = part if set(part) != {"name"} else part["name"]
    content = [content] if kind in LISTS else content
    if kind == "engine":
        content = {"training": {"engine": content}}
    else:
        content = {_KEYS.get(kind, kind): {"my_effect": part} if kind == "systematic" else content}
    return yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def _uses(kind: str) -> Iterator[tuple[str, dict[str, Any]]]:
    """Yield name of a study and each part of a kind in it, as a mapping with its name."""
    for study, path in sorted(known().items()):
        try:
            content = read(path)
        except StudyError:
            continue  # a study of the user's that is being written
        for value in _values(content, _KEYS.get(kind, kind)):
            if kind == "systematic" and isinstance(value, dict):
                value = list(value.values())
            for part in value if isinstance(value, list) else [value]:
                if isinstance(part, str):
                    yield study, {"name": part}
                elif isinstance(part, dict) and isinstance(part.get("name"), str):
                    yield study, part


def _values(content: Any, key: str) -> Iterator[Any]:
    """Yield the values of a key at any depth."""
    if isinstance(content, dict):
        for name, value in content.items():
            if name == key:
                yield value
            yield from _values(value, key)
    elif isinstance(content, list):
        for value in content:
            yield from _values(value, key)
