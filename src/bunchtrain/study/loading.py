"""Loading of a study: from its name or file to a validated `Study`, without opening its data."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pydantic
import yaml

from bunchtrain import parts
from bunchtrain.errors import StudyError, nearest, shorten
from bunchtrain.files import as_path
from bunchtrain.study import deprecated, overrides
from bunchtrain.study.checks import check_predicted, check_study, check_used
from bunchtrain.study.plain import DEPTH, check_plain
from bunchtrain.study.schema import Study

#: Largest study file in bytes; the longest that is shipped has 10 kB.
LARGEST = 2_000_000


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]
    """YAML loader that rejects duplicate keys, which YAML itself overwrites silently."""

    def flatten_mapping(self, node: yaml.MappingNode) -> None:
        """Put the keys of a merge, `<<: *alias`, before those of the mapping, each once."""
        super().flatten_mapping(node)
        # Aliases of aliases would grow without limit otherwise.
        unique = {(str(key.tag), str(key.value)): (key, value) for key, value in node.value}
        node.value = list(unique.values())


def _mapping(loader: _Loader, node: yaml.MappingNode, deep: bool = False) -> dict[Any, Any]:
    seen: set[Any] = set()
    for key_node, _ in node.value:
        if key_node.tag == "tag:yaml.org,2002:merge":
            continue
        _as_word(key_node)
        key = loader.construct_object(key_node, deep=True)
        if not isinstance(key, str | int | float | bool):
            raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: a key must be a word")
        if key in seen:
            raise yaml.YAMLError(f"line {key_node.start_mark.line + 1}: duplicate key '{key}'")
        seen.add(key)
    loader.flatten_mapping(node)
    for key_node, _ in node.value:
        _as_word(key_node)
    found: dict[Any, Any] = loader.construct_mapping(node, deep=True)
    return found


def _as_word(key: yaml.Node) -> None:
    """Make a key a text where YAML sees a truth value, `on`, or null, which is a hypothesis."""
    if key.tag == "tag:yaml.org,2002:bool" or key.value == "null":
        key.tag = "tag:yaml.org,2002:str"


_Loader.add_constructor(yaml.resolver.BaseResolver.DEFAULT_MAPPING_TAG, _mapping)


def folders() -> list[Path]:
    """Return the folders of studies by name: `./studies`, then those shipped with bunchtrain."""
    package = Path(__file__).resolve().parents[1]
    places = [Path("studies"), package.parents[1] / "studies", package / "studies"]
    return [place for place in places if place.is_dir()]


def known() -> dict[str, Path]:
    """Return name → file of the studies in these folders."""
    found: dict[str, Path] = {}
    for folder in reversed(folders()):
        found |= {path.parent.name: path for path in sorted(folder.glob("*/study.yaml"))}
    return found


def find(name: str) -> Path:
    """Return the file of a study given by name, by file or by folder.

    Raises StudyError, naming the nearest, if there is none.
    """
    path = Path(name)
    if path.is_dir() and (path / "study.yaml").is_file():
        return path / "study.yaml"
    if path.is_file():
        return path
    studies = known()
    if name in studies:
        return studies[name]
    hint = nearest(name, studies) or "; `bunchtrain studies` lists the names"
    raise StudyError(f"there is no study file or study named '{shorten(name, plain=True)}'{hint}")


def read(path: Path) -> dict[str, Any]:
    """Return the mapping in a study file.

    Raises StudyError if the file is not YAML, has a duplicate key or is not a mapping.
    """
    try:
        if (size := path.stat().st_size) > LARGEST:
            raise StudyError(f"the file has {size:,} bytes, and a study at most {LARGEST:,}")
        text = path.read_text(encoding="utf-8")
        _check_depth(text)
        content = yaml.load(text, Loader=_Loader)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark
        where = f"line {mark.line + 1}, column {mark.column + 1}: " if mark else ""
        raise StudyError(f"{path}: {where}this is not YAML: {problem.problem}") from None
    except UnicodeDecodeError as problem:
        raise StudyError(f"{path} is not text in UTF-8, at byte {problem.start}") from None
    except OSError as problem:
        raise StudyError(f"{path} cannot be read: {problem.strerror}") from None
    except (yaml.YAMLError, ValueError, StudyError) as problem:
        raise StudyError(f"{path}: {problem}") from None
    if not isinstance(content, dict):
        raise StudyError(f"{path} is not a study: it must be a mapping of keys to values")
    try:
        check_plain(content)
    except StudyError as problem:
        raise StudyError(f"{path}: {problem}") from None
    default = path.absolute().parent.name if path.name == "study.yaml" else path.stem
    content.setdefault("name", re.sub(r"[^\w.+-]+", "_", default, flags=re.ASCII).strip(".-+"))
    return content


def _check_depth(text: str) -> None:
    """Raise StudyError for lists and mappings so deep that the parser's stack would overflow."""
    starts = (yaml.SequenceStartEvent, yaml.MappingStartEvent)
    ends = (yaml.SequenceEndEvent, yaml.MappingEndEvent)
    depth = 0
    for event in yaml.parse(text, Loader=_Loader):
        depth += isinstance(event, starts) - isinstance(event, ends)
        if depth > DEPTH:
            line = event.start_mark.line + 1 if event.start_mark else 1
            raise StudyError(f"line {line}: more than {DEPTH} lists or mappings in each other")


def load(study: str | Path, *assignments: str, size: str | None = None, **changes: Any) -> Study:
    """Return a validated study.

    study        name under `studies/`, file, or folder with a `study.yaml`.
    assignments  dotted overrides, `"training.epochs=5"`.
    size         `demo`, `small` or `full`: the overrides that the study lists under `sizes`.
    changes      overrides of keys without a dot; a part may be given as a class: `model=MyNetwork`
                 or `model={"name": MyNetwork, "widths": [64]}`.

    Raises StudyError for all errors that can be found without opening the data.
    """
    path = find(str(as_path(study, "a study")))
    content = _translate(read(path), str(path))
    given = overrides.parse(assignments) | parts.replace_classes(changes)
    given = deprecated.translate_overrides(given, content)
    sizes = content.get("sizes")
    for name in sizes if isinstance(sizes, Mapping) else ():
        if name != size:
            _check_size(content, name, path)
    if size is not None:
        content = overrides.apply(content, overrides.sizes(content, size))
    changed = overrides.apply_to_models(overrides.apply(content, given), given)
    found = validate(changed, str(path), path.parent)
    try:
        check_used(found)
        check_predicted(found)
    except StudyError as problem:
        raise StudyError(f"{path}: {problem}") from None
    return found


def _check_size(content: Mapping[str, Any], size: str, path: Path) -> None:
    """Raise StudyError if the overrides of a size that is not used are wrong."""
    changed = overrides.apply(content, overrides.sizes(content, size))
    validate(changed, f"{path}: size '{size}'", path.parent)


def validate(
    content: Mapping[str, Any], origin: str = "study", folder: Path | None = None
) -> Study:
    """Return the study of a mapping.

    content  keys and values.
    origin   start of error messages.
    folder   to which the files of parts are relative; the working directory if None.

    Raises StudyError for all errors that can be found without opening the data.
    """
    if not isinstance(content, Mapping):
        raise StudyError(f"{origin}: must be a mapping of keys to values, got {shorten(content)}")
    check_plain(content)
    found = _translate(content, origin)
    try:
        study = Study.model_validate(found, context={"folder": folder})
    except pydantic.ValidationError as problem:
        key, text = parts.describe_problem(problem, found)
        if text == "is missing":
            raise StudyError(f"{origin}: key '{key}' is missing") from None
        raise StudyError(f"{origin}: {key}: {text}" if key else f"{origin}: {text}") from None
    try:
        check_study(study)
    except StudyError as problem:
        raise StudyError(f"{origin}: {problem}") from None
    return study


def _translate(content: Mapping[str, Any], origin: str) -> dict[str, Any]:
    """Return a study's mapping with new keys only; a warning names those that were translated."""
    notes: dict[str, str] = {}
    try:
        found = deprecated.translate({str(key): value for key, value in content.items()}, notes)
    except StudyError as problem:
        raise StudyError(f"{origin}: {problem}") from None
    deprecated.warn(origin, notes, stacklevel=4)
    return found
