"""Parts in a user's own file: `./my_network.py:MyNetwork`, or a class in a notebook.

A run keeps a copy of each such file in `RUN/parts/` with a hash of its content, so that the run can
be resumed, used for predictions and exported wherever it is. Code in a run folder is executed only
if the run was made by this user, whose cache has a record of the hash, or if
$BUNCHTRAIN_TRUST_CODE is 1.
"""

from __future__ import annotations

import hashlib
import importlib.util
import inspect
import json
import os
import re
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from types import ModuleType
from typing import Any

from bunchtrain.errors import RunError, StudyError, nearest, one_of
from bunchtrain.files import cache_folder, write_json, write_text

#: A part's name that gives a file and a class.
_NAME = re.compile(r"^(.+\.py):([A-Za-z_]\w*)$")
#: In `RUN/parts/`: file → SHA-256 of its content.
HASHES = "hashes.json"


def is_own(name: str) -> bool:
    """Return whether a part is named by its file and class."""
    return _NAME.match(name) is not None


def absolute_name(name: str, folder: Path | str | None) -> str:
    """Return the name of a part with the full path of its file; others as they are."""
    found = _NAME.match(name)
    if not found:
        return name
    path = Path(folder or ".") / Path(found[1]).expanduser()
    return f"{Path(os.path.normpath(path.absolute()))}:{found[2]}"


def relative_name(name: str, folder: Path | str) -> str:
    """Return the name of a part with the path of its file relative to a folder."""
    found = _NAME.match(name)
    if not found:
        return name
    return f"{os.path.relpath(found[1], Path(folder).absolute())}:{found[2]}"


def map_names(content: Any, change: Callable[[str], str]) -> Any:
    """Return plain data with all names of parts in files changed."""
    if isinstance(content, str):
        return change(content) if is_own(content) else content
    if isinstance(content, Mapping):
        return {key: map_names(value, change) for key, value in content.items()}
    if isinstance(content, list | tuple):
        return type(content)(map_names(value, change) for value in content)
    return content


def load_class(name: str) -> type[Any]:
    """Return the class of a part named by its file.

    Raises StudyError if the file is missing, cannot be imported or has no such class, and RunError
    if it is in a run folder and was changed or is not trusted.
    """
    path, _, attribute = name.rpartition(":")
    module = _import(Path(path))
    classes = {
        key: value
        for key, value in vars(module).items()
        if inspect.isclass(value) and value.__module__ == module.__name__
    }
    if attribute not in classes:
        hint = nearest(attribute, classes) or f"; its classes are {one_of(classes) or 'none'}"
        raise StudyError(f"{path} has no class '{attribute}'{hint}")
    return classes[attribute]


def _import(path: Path) -> ModuleType:
    if not path.is_file():
        near = nearest(path.name, (p.name for p in path.parent.glob("*.py")))
        raise StudyError(f"there is no file {path}{near}")
    _check_trust(path)
    # The name is the same in all processes of a run, so that objects of the class can be pickled.
    name = f"bunchtrain_own_{_hash(path)[:16]}.{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    spec = importlib.util.spec_from_file_location(name, path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except (Exception, SystemExit) as problem:
        del sys.modules[name]
        text = " ".join(f"{type(problem).__name__}: {problem}".split())
        raise StudyError(f"{path} cannot be imported: {text}") from None
    return module


def _hash(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def _trust_file(sha256: str) -> Path:
    return cache_folder() / "trusted_parts" / sha256


def _check_trust(path: Path) -> None:
    """Raise RunError for a file of a run folder that was changed, or that this user did not run."""
    if not (path.parent / HASHES).is_file():
        return  # the user's own file
    recorded = json.loads((path.parent / HASHES).read_text(encoding="utf-8"))
    found = _hash(path)
    if recorded.get(path.name) != found:
        raise RunError(
            f"{path} was changed after the run was made: restore it, or run the study again"
        )
    if not _trust_file(found).is_file():
        _raise_unless_trusted(path)


def check_recorded(content: Any, folder: Path | str) -> None:
    """Raise RunError if data of a run name a part in a file whose hash the run has not recorded.

    Args:
        content: plain data, as of a study.
        folder: to which the files are relative.
    """

    def check(name: str) -> str:
        path = Path(absolute_name(name, folder).rpartition(":")[0])
        if not (path.parent / HASHES).is_file():
            _raise_unless_trusted(path)
        return name

    map_names(content, check)


def _raise_unless_trusted(path: Path) -> None:
    if os.environ.get("BUNCHTRAIN_TRUST_CODE") != "1":
        raise RunError(
            f"{path} holds Python code of a run that was not made with this user's cache: read it, "
            "then use `bunchtrain --trust-code ...` or BUNCHTRAIN_TRUST_CODE=1"
        )


def copy_files(content: Any, run: Path) -> Any:
    """Copy the files of own parts into `RUN/parts`, record their hashes and trust them.

    Returns the content of a study with the names relative to the run folder.
    """
    folder, hashes = run / "parts", dict[str, str]()

    def copy(name: str) -> str:
        path, _, attribute = absolute_name(name, None).rpartition(":")
        text, sha256 = Path(path).read_text(encoding="utf-8"), _hash(Path(path))
        file = Path(path).name
        if hashes.get(file, sha256) != sha256:  # another file of this name
            file = f"{Path(path).stem}_{sha256[:8]}.py"
        hashes[file] = sha256
        write_text(folder / file, text)
        write_text(_trust_file(sha256), path)
        return f"./parts/{file}:{attribute}"

    changed = map_names(content, copy)
    if hashes:
        write_json(folder / HASHES, hashes)
    return changed
