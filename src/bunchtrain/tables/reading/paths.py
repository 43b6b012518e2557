"""Paths in studies: variables, globs, `file.root:tree`, and remote addresses."""

from __future__ import annotations

import glob
import hashlib
import os
import re
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import fsspec

from bunchtrain.errors import DataError, missing, nearest
from bunchtrain.files import hash_file

_ENDS = 65536
_SUFFIXES = r"root|h5|hdf5|hdf|npz|parquet|pq"


def is_remote(path: str) -> bool:
    """Return whether a path is an address that fsspec opens."""
    return "://" in path


def expand_variables(path: str) -> str:
    """Return a path with `~` and `$NAME` replaced.

    Without `$BUNCHTRAIN_DATA` it is the folder `../shared/data` next to the repository.
    Raises DataError if a variable is not set.
    """
    default = Path(__file__).parents[5] / "shared" / "data"
    if "BUNCHTRAIN_DATA" not in os.environ and default.is_dir():
        path = re.sub(r"\$(BUNCHTRAIN_DATA\b|\{BUNCHTRAIN_DATA\})", str(default), path)
    path = os.path.expanduser(os.path.expandvars(path))
    unset = re.search(r"\$\{?(\w+)\}?", path)
    if unset:
        raise DataError(f"the path '{path}' needs the environment variable {unset[1]}; set it")
    return path


def split_tree(path: str) -> tuple[str, str | None]:
    """Return a path and the name after the colon, as in `file.root:tree` or `file.h5:key`."""
    found = re.fullmatch(rf"(.+\.(?:{_SUFFIXES})):([^:]+)", path, re.IGNORECASE)
    return (found[1], found[2]) if found and not Path(path).exists() else (path, None)


def resolve_one(files: str, source: str) -> str:
    """Return the path of a source that reads one file.

    Raises DataError if none or several match.
    """
    found = resolve(files)
    if len(found) != 1:
        raise DataError(f"source '{source}' reads one file, and '{files}' names {len(found)}")
    return found[0][0]


def resolve(files: str | Sequence[str]) -> list[tuple[str, str | None]]:
    """Return (path, tree) of every file that matches these paths and globs, globs sorted.

    Raises DataError if one matches no file.
    """
    found: list[tuple[str, str | None]] = []
    for pattern in [files] if isinstance(files, str) else files:
        path, tree = split_tree(expand_variables(pattern))
        matches = _matches(path) if glob.has_magic(path) and not Path(path).exists() else [path]
        if not matches:
            raise DataError(f"no file matches '{path}'")
        found += [(match, tree) for match in matches]
    if not found:
        raise DataError("the list of files is empty; name at least one")
    return found


def _matches(path: str) -> list[str]:
    """Return the files that a glob matches; DataError for one that searches all disks."""
    if not is_remote(path):
        start, stars, _ = path.partition("**")
        folder = start.rpartition("/")[0] + "/" if "/" in start else "."
        if stars and not glob.has_magic(folder) and os.path.realpath(folder) == os.path.sep:
            raise DataError(f"'{path}' searches all folders of this machine; name a folder first")
        return sorted(glob.glob(path, recursive=True))
    system, inner = filesystem(path)
    try:
        return sorted(system.unstrip_protocol(match) for match in system.glob(inner))
    except Exception as problem:  # of any file system
        raise _unreachable(path, problem) from None


def filesystem(path: str) -> tuple[Any, str]:
    """Return the file system of a path and the path within it.

    Raises MissingDependency if its protocol needs a package that is not installed.
    """
    try:
        return fsspec.core.url_to_fs(path)  # type: ignore[no-any-return]
    except (ImportError, ValueError):
        protocol = path.partition("://")[0]
        extra = {"root": ("fsspec-xrootd", "xrootd"), "s3": ("s3fs", "s3")}
        package, name = extra.get(protocol, (f"a package for '{protocol}://'", "xrootd,s3"))
        raise missing(package, name, f"reading '{path}'") from None


def check(path: str) -> None:
    """Raise DataError if a file is missing or empty."""
    if is_remote(path):
        return _check_remote(path)
    file = Path(path)
    if file.is_dir():
        raise DataError(f"'{path}' is a folder; name files, e.g. '{path}/*.root'")
    if not file.exists():
        others = file.parent.iterdir() if file.parent.is_dir() else ()
        hint = nearest(file.name, (other.name for other in others))
        raise DataError(f"there is no file '{path}'{hint}")
    if not file.is_file():
        raise DataError(f"'{path}' is a pipe or a device, not a file; copy its data into a file")
    if file.stat().st_size == 0:
        raise DataError(f"the file '{path}' is empty")
    return None


def _check_remote(path: str) -> None:
    system, inner = filesystem(path)
    try:
        system.info(inner)
    except FileNotFoundError:
        raise DataError(f"there is no file '{path}'") from None
    except Exception as problem:
        raise _unreachable(path, problem) from None


def _unreachable(path: str, problem: Exception) -> DataError:
    reason = str(problem).partition("\n")[0] or type(problem).__name__
    return DataError(f"'{path}' cannot be reached ({reason})")


def open_binary(path: str) -> Any:
    """Return a local or remote file opened for reading bytes."""
    if not is_remote(path):
        return open(path, "rb")
    system, inner = filesystem(path)
    return system.open(inner, "rb")


def openable(path: str) -> Any:
    """Return an object that libraries can open: a local path, or the opened remote file."""
    return open_binary(path) if is_remote(path) else path


def fingerprint(path: str) -> str:
    """Return a text that changes when the file does, without reading all of it.

    Local: path, size, modification time, and a hash of both ends; remote: the server's metadata.
    """
    check(path)
    if is_remote(path):
        system, inner = filesystem(path)
        info = system.info(inner)
        keys = ("ETag", "etag", "size", "mtime", "LastModified", "created")
        return f"{path} {[info.get(key) for key in keys]}"
    state = os.stat(path)
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        digest.update(file.read(_ENDS))
        file.seek(max(0, state.st_size - _ENDS))
        digest.update(file.read(_ENDS))
    return f"{Path(path).resolve()} {state.st_size} {state.st_mtime_ns} {digest.hexdigest()}"


def content_hash(path: str) -> str:
    """Return the SHA-256 of a local file; of a remote one `fingerprint`."""
    check(path)
    return fingerprint(path) if is_remote(path) else hash_file(Path(path))
