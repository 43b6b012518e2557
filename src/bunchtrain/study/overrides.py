"""Dotted overrides, `training.epochs=5`, and scans of one key."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Mapping
from typing import Any

import yaml

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest, one_of, shorten


def parse(assignments: Iterable[str]) -> dict[str, Any]:
    """Return dotted key → value from texts such as `training.epochs=5`; values are YAML.

    Raises StudyError if a text has no `=` or its value is not YAML.
    """
    found: dict[str, Any] = {}
    for text in assignments:
        if not isinstance(text, str):
            raise StudyError(f"an override must be a text, key=value, got {shorten(text)}")
        key, equals, value = text.partition("=")
        key = key.strip()
        if not equals or not all(key.split(".")):
            raise StudyError(f"override {shorten(text)} is not of the form key=value")
        if key in found:
            raise StudyError(f"override '{key}' is given twice; give it once")
        try:
            found[key] = yaml.safe_load(value)
        except (yaml.YAMLError, ValueError, RecursionError):
            raise StudyError(f"override '{key}': the value {shorten(value)} is not YAML") from None
    return found


def default_evaluations(targets: object) -> list[str]:
    """Return the evaluations of a study that lists none, by its targets as plain data."""
    given = list(targets.values()) if isinstance(targets, Mapping) else []
    keys = {key for target in given if isinstance(target, Mapping) for key in target}
    kinds = {"classes": "classification", "same": "classification", "values": "regression"}
    kinds |= {"assign": "assignment_efficiency"}
    return list(dict.fromkeys(name for key, name in kinds.items() if key in keys))


def apply(study: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the study's mapping with the values at some dotted keys replaced.

    `models.pfn` may name a new model. An item of a list is given by its index or, of parts, by
    its name: `loss.disco.weight`. An evaluation that is not listed is added; a part that is set to
    null is removed. Overriding an option of a part without options (`model: pfn`) keeps its name.

    Raises StudyError if a key does not exist in a list or below a plain value.
    """
    changed = copy.deepcopy(dict(study))
    for key, value in overrides.items():
        if key.startswith("evaluation.") and changed.get("evaluation") is None:
            changed["evaluation"] = default_evaluations(changed.get("targets"))
        _set(changed, key, value)
    return changed


def apply_to_models(study: Mapping[str, Any], overrides: Mapping[str, Any]) -> dict[str, Any]:
    """Return the study's mapping with general overrides also where a model has its own value.

    `training.epochs=40` replaces the epochs of every model, and `model.dropout=0.1` the dropout of
    those with the study's model; `models.pfn.training.epochs=8` comes before both.
    """
    changed = copy.deepcopy(dict(study))
    models = changed.get("models")
    for name, own in models.items() if isinstance(models, Mapping) else ():
        for key, value in overrides.items():
            if isinstance(own, dict) and f"models.{name}.{key}" not in overrides:
                _replace_own(changed, own, key, value)
    return changed


def _replace_own(study: Mapping[str, Any], own: dict[str, Any], key: str, value: Any) -> None:
    """Replace the value of a model at the key of a general override, if it has one there."""
    kind, *path = key.split(".")
    if key == "seeds" and own.get(key) is not None:
        own[key] = value
    if kind not in ("training", "representation", "model", "posterior") or not path:
        return
    place, base = own.get(kind), study.get(kind)
    named = base.get("name") if isinstance(base, Mapping) else base
    if kind != "training" and isinstance(place, Mapping) and place.get("name", named) != named:
        return  # another part, whose options are others
    for word in path[:-1]:
        place = place.get(word) if isinstance(place, dict) else None
    if isinstance(place, dict) and path[-1] in place:
        place[path[-1]] = value


def _set(study: dict[str, Any], key: str, value: Any) -> None:
    *path, last = key.split(".")
    place: Any = study
    for depth, word in enumerate(path):
        after = [*path[depth + 1 :], last][0]
        if word == "loss" and after != "name" and isinstance(place, dict) and not place.get(word):
            raise StudyError(
                f"override '{key}': the study lists no 'loss' to change; give all of its terms, "
                "e.g. loss=[cross_entropy, {name: disco, against: mass}]"
            )
        place = _step(place, word, ".".join(path[: depth + 1]))
    if not isinstance(place, list):
        place[last] = value
    elif last.isdigit():
        place[_index(place, last, key)] = value
    else:
        index = _index(place, last, key)
        if not isinstance(value, Mapping | None):
            text = shorten(value)
            raise StudyError(f"override '{key}': give the options of the part, got {text}")
        named = place[index]["name"] if isinstance(place[index], dict) else place[index]
        place[index : index + 1] = [] if value is None else [{**value, "name": named}]


def _step(place: Any, word: str, key: str) -> Any:
    """Return the mapping or list at a key of a mapping or list, created where it is missing."""
    at: Any = _index(place, word, key) if isinstance(place, list) else word
    if isinstance(place, dict) and word not in place and place.get("name") == word:
        return place  # a single part where a list may be
    if isinstance(place, dict) and place.get(word) is None:
        place[word] = {}
    elif isinstance(place[at], str):
        place[at] = {"name": place[at]}
    if not isinstance(place[at], dict | list):
        raise StudyError(f"override '{key}': {shorten(place[at])} has no keys below it")
    return place[at]


def _index(items: list[Any], word: str, key: str) -> int:
    """Return the index of a list that a word names: a number, or the name of a part."""
    if word.isdigit():
        if int(word) < len(items):
            return int(word)
        raise StudyError(
            f"override '{key}': the list has the items 0 to {len(items) - 1}, not {word}"
        )
    names = [item.get("name") if isinstance(item, dict) else item for item in items]
    names = [parts.short_name(name) if isinstance(name, str) else name for name in names]
    if names.count(word) > 1:
        raise StudyError(f"override '{key}': there are several '{word}'; give an index from 0")
    if word not in names:
        if key.split(".")[0] != "evaluation":
            known = list(map(str, names))
            hint = nearest(word, known) or f"; there are {one_of(known) or 'none'}"
            raise StudyError(f"override '{key}': the list has no '{word}'{hint}")
        items.append({"name": word})
        return len(items) - 1
    return names.index(word)


def sizes(study: Mapping[str, Any], size: str) -> Mapping[str, Any]:
    """Return the overrides of a `--size`.

    Raises StudyError if the study has no such size.
    """
    known = study.get("sizes") or {}
    if not isinstance(known, Mapping):
        raise StudyError(
            f"sizes: give a mapping of sizes to dotted overrides, got {shorten(known)}"
        )
    if size not in known:
        hint = nearest(size, known) or f"; it has {', '.join(known) or 'none'}"
        raise StudyError(f"study '{study.get('name', '')}' has no size '{size}'{hint}")
    if not isinstance(known[size] or {}, Mapping):
        raise StudyError(f"sizes.{size}: give dotted overrides, got {shorten(known[size])}")
    return known[size] or {}


#: Largest value of a scan, as of any number of a study.
_LARGEST = 1e300


def expand_scans(study: object) -> object:
    """Return a study's mapping with models `<name>_<value>` in place of each model with a `scan`.

    Raises StudyError if a scan is not of one key and a list of numbers.
    """
    if not (isinstance(study, dict) and isinstance(study.get("models"), dict)):
        return study
    models: dict[str, Any] = {}
    for name, given in study["models"].items():
        scan = given.get("scan") if isinstance(given, dict) else None
        models |= _expand_scan(name, given, scan) if scan is not None else {name: given}
    return study | {"models": models}


def _expand_scan(name: str, given: dict[str, Any], scan: object) -> dict[str, Any]:
    where = f"models.{name}.scan"
    if not (isinstance(scan, dict) and len(scan) == 1):
        raise StudyError(
            f"{where}: give one key and its values, e.g. {{loss.disco.weight: [1, 10]}}"
        )
    ((key, values),) = scan.items()
    numbers = isinstance(values, list) and all(
        isinstance(value, int | float) and abs(value) <= _LARGEST for value in values
    )
    if not numbers or not values:
        raise StudyError(f"{where}.{key}: give a list of numbers, got {shorten(values)}")
    plain = {k: v for k, v in given.items() if k != "scan"}
    return {
        f"{name}_{value:g}": apply(plain, {key: value}) | {"curve": name, "strength": value}
        for value in values
    }
