"""Dotted overrides: `training.epochs=5` on the command line and under `sizes`."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from bunchtrain.errors import StudyError, nearest


def parse(assignments: Iterable[str]) -> dict[str, Any]:
    """Return dotted key → value from texts as `training.epochs=5`; values are YAML.

    Raises StudyError if a text has no `=` or its value is not YAML.
    """
    found = {}
    for text in assignments:
        key, equals, value = text.partition("=")
        if not equals or not key.strip():
            raise StudyError(f"override '{text}' is not of the form key=value")
        try:
            found[key.strip()] = yaml.safe_load(value)
        except yaml.YAMLError:
            raise StudyError(f"override '{key}': the value {value!r} is not YAML") from None
    return found


def apply(study: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the study's mapping with the values at some dotted keys replaced.

    `models.pfn` may name a member that is not there yet; a number names an item of a list.
    Setting a part that is given as a bare name (`model: pfn`) keeps that name.
    """
    changed = copy.deepcopy(dict(study))
    for key, value in overrides.items():
        _set(changed, key, value)
    return changed


def _set(study: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    place: Any = study
    for depth, word in enumerate(path):
        place = _step(place, word, ".".join(path[: depth + 1]))
    if isinstance(place, list):
        place[_index(place, last, key)] = value
    else:
        place[last] = value


def _step(place: Any, word: str, key: str) -> Any:
    if isinstance(place, list):
        return place[_index(place, word, key)]
    if place.get(word) is None:
        place[word] = {}
    elif isinstance(place[word], str):
        place[word] = {"name": place[word]}
    if not isinstance(place[word], dict | list):
        raise StudyError(f"override '{key}': {place[word]!r} has no keys below it")
    return place[word]


def _index(items: list[Any], word: str, key: str) -> int:
    if word.isdigit() and int(word) < len(items):
        return int(word)
    raise StudyError(f"override '{key}': the list has the items 0 to {len(items) - 1}, not {word}")


def sizes(study: Mapping[str, Any], size: str) -> Mapping[str, Any]:
    """Return the overrides of a `--size`.

    Raises StudyError if the study does not know that size.
    """
    known = study.get("sizes") or {}
    if size not in known:
        hint = nearest(size, known) or f"; it has {', '.join(known) or 'none'}"
        raise StudyError(f"study '{study.get('name', '')}' has no size '{size}'{hint}")
    return known[size] or {}
