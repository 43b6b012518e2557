"""Old names of keys, translated for one release with a note that names the new one."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import Any

from bunchtrain.errors import DeprecatedKey, StudyError

#: Old key → new key, at the top of a study and in each of its models.
RENAMED = {
    "represent": "representation",
    "objective": "loss",
    "calibrate": "calibration",
    "members": "models",
}


def rename_key(key: str) -> str:
    """Return a dotted key with its old words replaced, as `members.pfn.represent.degree`."""
    return ".".join(RENAMED.get(word, word) for word in key.split("."))


def renamed(mapping: Mapping[str, Any], notes: dict[str, str], where: str = "") -> dict[str, Any]:
    """Return a mapping with its old keys renamed, in place and order; `notes` gets old → new.

    Raises StudyError if an old key stands beside its new name.
    """
    found: dict[str, Any] = {}
    for key, value in mapping.items():
        new = RENAMED.get(str(key), str(key))
        if new != key:
            if new in mapping:
                raise StudyError(
                    f"{where}{key}: '{key}' is the old name of '{new}', which is given as well; "
                    f"remove '{key}'"
                )
            notes[f"{where}{key}"] = f"{where}{new}"
        found[new] = value
    return found


def translate(study: Mapping[str, Any], notes: dict[str, str]) -> dict[str, Any]:
    """Return a study's mapping with all old keys renamed; `notes` gets old → new.

    Raises StudyError if an old key stands beside its new name.
    """
    found = renamed(study, notes)
    models = found.get("models")
    if isinstance(models, Mapping):
        found["models"] = {
            name: _model(given, notes, f"models.{name}.") for name, given in models.items()
        }
    sizes = found.get("sizes")
    if isinstance(sizes, Mapping):
        found["sizes"] = {
            size: _overrides(given, notes, f"sizes.{size}: ") for size, given in sizes.items()
        }
    return found


def _model(given: object, notes: dict[str, str], where: str) -> object:
    if not isinstance(given, Mapping):
        return given
    found = renamed(given, notes, where)
    if isinstance(found.get("scan"), Mapping):
        found["scan"] = _overrides(found["scan"], notes, f"{where}scan: ")
    return found


def _overrides(given: object, notes: dict[str, str], where: str) -> object:
    """Return dotted overrides with their keys, and the keys of models in their values, renamed."""
    if not isinstance(given, Mapping):
        return given
    found = {}
    for key, value in given.items():
        new = rename_key(str(key))
        if new != key:
            notes[f"{where}{key}"] = new
        is_model = new.startswith("models.") and new.count(".") == 1
        found[new] = _model(value, notes, f"{where}{new}.") if is_model else value
        if new.endswith(".scan"):
            found[new] = _overrides(value, notes, f"{where}{new}: ")
    return found


def rename_overrides(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted overrides with new keys; a warning names those that were renamed."""
    notes: dict[str, str] = {}
    found = _overrides(given, notes, "")
    if notes:
        warnings.warn(f"overrides: {describe(notes)}", DeprecatedKey, stacklevel=3)
    assert isinstance(found, dict)
    return found


def describe(notes: Mapping[str, str]) -> str:
    """Return one sentence for the deprecation note, '' if nothing was renamed."""
    pairs: Iterable[str] = (f"'{old}' is now '{new}'" for old, new in _short(notes).items())
    text = ", ".join(pairs)
    return f"old keys, which the next release no longer reads: {text}" if text else ""


def _short(notes: Mapping[str, str]) -> dict[str, str]:
    """Return the renamed words alone, each once."""
    words: dict[str, str] = {}
    for old, new in notes.items():
        before, after = old.rpartition(": ")[2].split("."), new.split(".")
        words |= {a: b for a, b in zip(before[-len(after) :], after, strict=False) if a != b}
    return words
