"""Members that are several: one for each value of a key, as the strengths of a decorrelation."""

from __future__ import annotations

from typing import Any

from bunchtrain.errors import StudyError
from bunchtrain.study.overrides import apply


def expanded(study: object) -> object:
    """Return a study's mapping with `<member>_<value>` in the place of every member with a `scan`.

    Raises StudyError if a scan is not of one key and a list of numbers.
    """
    if not (isinstance(study, dict) and isinstance(study.get("models"), dict)):
        return study
    models: dict[str, Any] = {}
    for name, given in study["models"].items():
        scan = given.get("scan") if isinstance(given, dict) else None
        models |= _scanned(name, given, scan) if scan is not None else {name: given}
    return study | {"models": models}


def _scanned(name: str, given: dict[str, Any], scan: object) -> dict[str, Any]:
    where = f"models.{name}.scan"
    if not (isinstance(scan, dict) and len(scan) == 1):
        raise StudyError(f"{where}: give one key and its values, as {{loss.1.weight: [1, 10]}}")
    ((key, values),) = scan.items()
    numbers = isinstance(values, list) and all(isinstance(value, int | float) for value in values)
    if not numbers or not values:
        raise StudyError(f"{where}.{key}: give a list of numbers, got {values!r}")
    plain = {k: v for k, v in given.items() if k != "scan"}
    return {
        f"{name}_{value:g}": apply(plain, {key: value}) | {"method": name, "strength": value}
        for value in values
    }
