"""Parts in a user's own file: `./my_network.py:MyNetwork`, or a class in a notebook.

A run keeps a copy of each such file in `RUN/parts/` with a hash of its content, so that the run can
be resumed, used for predictions and exported wherever it is. Code in a run folder is executed only
if the run was made by this user, whose cache has a record of the hash, or if
$BUNCHTRAIN_TRUST_CODE is 1.
"""

from __future__ import annotations

import ast
import hashlib
import inspect
import os
import re
import sys
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

from bunchtrain.errors import BunchtrainError, RunError, StudyError, nearest, one_of, shorten
from bunchtrain.files import atomic_path, cache_folder, read_json, write_json, write_text

#: A part's name that gives a file and a class.
_NAME = re.compile(r"^(.+\.py):([A-Za-z_]\w*)$")
#: In `RUN/parts/`: file → SHA-256 of its content.
HASHES = "hashes.json"
#: Start of the names of the modules made here.
_PACKAGE = "bunchtrain_own_"
_ONE_FILE = "a run keeps a copy of one file alone: put the code into it, or install it as a package"


def is_any_loaded() -> bool:
    """Return whether a user's own file has been executed in this process."""
    return any(name.startswith(_PACKAGE) for name in sys.modules)


def is_own(name: str) -> bool:
    """Return whether a part is named by its file and class."""
    return _NAME.match(name) is not None


def absolute_name(name: str, folder: Path | str | None) -> str:
    """Return the name of a part with the full path of its file; others as they are.

    Raises StudyError for a name that is no text, as may be given from Python.
    """
    if not isinstance(name, str):
        raise StudyError(f"the name of a part must be a text, got {shorten(name)}")
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
    content = path.read_bytes()
    sha256 = hashlib.sha256(content).hexdigest()
    _check_trust(path, sha256)
    # The name is the same in all processes of a run, so that objects of the class can be pickled.
    name = f"{_PACKAGE}{sha256[:16]}.{path.stem}"
    if name in sys.modules:
        return sys.modules[name]
    module = ModuleType(name)
    module.__file__ = str(path)
    sys.modules[name] = module
    try:
        # What was hashed is executed, never a file that was compiled from it.
        exec(compile(content, str(path), "exec", dont_inherit=True), vars(module))
    except (Exception, SystemExit) as problem:
        del sys.modules[name]
        text = _neighbour(path, content) or f"{type(problem).__name__}: {problem}"
        place = _own_line(problem)
        where = f" (line {place[1]})" if place else ""
        raise StudyError(f"{path} cannot be imported: {text}{where}") from None
    return module


def _neighbour(path: Path, content: bytes) -> str | None:
    """Return a message if a file imports another one of its folder, which a run has no copy of."""
    try:
        nodes = [
            node
            for node in ast.walk(ast.parse(content))
            if isinstance(node, ast.Import | ast.ImportFrom)
        ]
    except (SyntaxError, ValueError):
        return None
    for node in nodes:
        names = [alias.name for alias in node.names]
        if isinstance(node, ast.ImportFrom):
            names = [node.module or ""]
        if isinstance(node, ast.ImportFrom) and node.level:
            return f"it has a relative import in line {node.lineno}; {_ONE_FILE}"
        for name in names:
            other = path.parent / name.partition(".")[0]
            if other.with_suffix(".py").is_file() or (other / "__init__.py").is_file():
                return f"line {node.lineno} imports '{name}' from the same folder; {_ONE_FILE}"
    return None


@contextmanager
def report_own_errors() -> Iterator[None]:
    """Raise an error in the code of a user's own file as StudyError with file and line."""
    try:
        yield
    except BunchtrainError:
        raise
    except Exception as problem:
        place = _own_line(problem)
        if place is None:
            raise
        text = f"{type(problem).__name__}: {problem}"
        raise StudyError(f"{place[0]}, line {place[1]}: {text}") from problem


def _own_line(problem: BaseException) -> tuple[str, int] | None:
    """Return file and line in a user's own file that an error came through last, None if none."""
    if isinstance(problem, SyntaxError) and problem.filename and problem.lineno:
        return problem.filename, problem.lineno
    frames = [
        (frame.f_code.co_filename, line)
        for frame, line in traceback.walk_tb(problem.__traceback__)
        if str(frame.f_globals.get("__name__", "")).startswith(_PACKAGE)
    ]
    return frames[-1] if frames else None


def _trust_file(sha256: str) -> Path:
    return cache_folder() / "trusted_parts" / sha256


def _check_trust(path: Path, sha256: str) -> None:
    """Raise RunError for a file of a run folder that was changed, or that this user did not run."""
    if not (path.parent / HASHES).is_file():
        return  # the user's own file
    recorded = read_json(path.parent / HASHES, dict[str, str])
    if recorded.get(path.name) != sha256:
        raise RunError(
            f"{path} was changed after the run was made: restore it, or run the study again"
        )
    if not _trust_file(sha256).is_file():
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
        content = Path(path).read_bytes()
        sha256 = hashlib.sha256(content).hexdigest()
        file = Path(path).name
        if hashes.get(file, sha256) != sha256:  # another file of this name
            file = f"{Path(path).stem}_{sha256[:8]}.py"
        hashes[file] = sha256
        with atomic_path(folder / file) as copied:
            copied.write_bytes(content)
        write_text(_trust_file(sha256), path)
        return f"./parts/{file}:{attribute}"

    changed = map_names(content, copy)
    if hashes:
        write_json(folder / HASHES, hashes)
    return changed
