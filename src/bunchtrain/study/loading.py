"""From a study's name or file to a validated `Study`; nothing but that file is opened."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic
import yaml

from bunchtrain.errors import DeprecatedKey, StudyError, nearest
from bunchtrain.study import deprecated, overrides
from bunchtrain.study.models import check_parts
from bunchtrain.study.schema import Study


class _Loader(yaml.SafeLoader):
    """YAML without silent surprises: a key written twice is refused."""


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool):
            raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: a key must be a word")
        if key in seen:
            raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: key '{key}' stands twice")
        seen.add(key)
    return loader.construct_mapping(node, deep=True)


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def folders() -> list[Path]:
    """Return where studies are looked for by name: here, then those that come with bunchtrain."""
    package = Path(__file__).resolve().parents[1]
    places = [Path("studies"), package.parents[1] / "studies", package / "studies"]
    return [place for place in places if place.is_dir()]


def known() -> dict[str, Path]:
    """Return name → file of the studies that can be run by name."""
    found: dict[str, Path] = {}
    for folder in reversed(folders()):
        found |= {path.parent.name: path for path in sorted(folder.glob("*/study.yaml"))}
    return found


def find(name: str) -> Path:
    """Return the file of a study given by name, by file or by folder.

    Raises StudyError, with the nearest names, if there is none.
    """
    path = Path(name)
    if path.is_dir() and (path / "study.yaml").is_file():
        return path / "study.yaml"
    if path.is_file():
        return path
    studies = known()
    if name in studies:
        return studies[name]
    hint = nearest(name, studies) or f"; the studies are {', '.join(sorted(studies)) or 'none'}"
    raise StudyError(f"there is no study '{name}', neither a file nor a name{hint}")


def read(path: Path) -> dict[str, Any]:
    """Return the mapping in a study file.

    Raises StudyError if the file is not YAML, holds a key twice or is no mapping.
    """
    try:
        content = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    except (yaml.YAMLError, RecursionError, ValueError, OSError) as problem:
        text = " ".join(str(problem).split())
        raise StudyError(f"{path} is not a readable study: {text}") from None
    if not isinstance(content, dict):
        raise StudyError(f"{path} is not a study: it must hold keys and values")
    content.setdefault("name", path.parent.name if path.name == "study.yaml" else path.stem)
    return content


def load(study: str | Path, *assignments: str, size: str | None = None, **changes: Any) -> Study:
    """Return a validated study.

    study        a name under `studies/`, a file, or a folder with a `study.yaml`.
    assignments  dotted overrides, `"training.epochs=5"`.
    size         `demo`, `small` or `full`: the overrides that the study lists under `sizes`.
    changes      the same as assignments, for keys without a dot.

    Raises StudyError for everything that can be known to be wrong without opening the data.
    """
    path = find(str(study))
    content = _translated(read(path), str(path))
    if size is not None:
        content = overrides.apply(content, overrides.sizes(content, size))
    given = deprecated.rename_overrides(overrides.parse(assignments) | changes)
    return validate(overrides.apply(content, given), str(path))


def validate(content: Mapping[str, Any], origin: str = "study") -> Study:
    """Return the study in a mapping; `origin` begins the message where something is wrong."""
    try:
        study = Study(**_translated(content, origin))
    except pydantic.ValidationError as problem:
        raise StudyError(f"{origin}: {describe(problem)}") from None
    try:
        check_parts(study)
    except StudyError as problem:
        raise StudyError(f"{origin}: {problem}") from None
    return study


def _translated(content: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Return a study's mapping with new keys only; a warning names those that were renamed."""
    notes: dict[str, str] = {}
    try:
        found = deprecated.translate({str(key): value for key, value in content.items()}, notes)
    except StudyError as problem:
        raise StudyError(f"{origin}: {problem}") from None
    if notes:
        warnings.warn(f"{origin}: {deprecated.describe(notes)}", DeprecatedKey, stacklevel=3)
    return found


def describe(problem: pydantic.ValidationError) -> str:
    """Return the first problem of a validation as one sentence that names the key."""
    first = problem.errors()[0]
    key = ".".join(str(word) for word in first["loc"])
    if first["type"] == "missing":
        return f"key '{key}' is missing"
    message = first["msg"].removeprefix("Value error, ")
    got = "" if first["type"] == "value_error" else f", got {first['input']!r}"
    return f"{key}: {message}{got}" if key else f"{message}{got}"
