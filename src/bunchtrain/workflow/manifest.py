"""The manifest of a run: the SHA-256 of its files, by which edited and foreign files are found."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

from filelock import FileLock
from pydantic import BaseModel, Field

from bunchtrain.errors import MachineError, RunError
from bunchtrain.files import as_json, hash_file, read_json, write_json, write_text
from bunchtrain.trained_model import FORMATS

#: Files of a training, next to the weights.
MODEL_FILES = ["network.json", "task.json", "history.csv", "training.json", "prediction.json"]
MODEL_FILES += ["*.parquet", *FORMATS.values()]
#: Name of the file, and the files of a run in it, relative to the folder of the run.
FILE = "manifest.json"
FILES = (
    *("study.yaml", "environment.json", "data.json", "metrics.json", "predictions.parquet"),
    *("parts/*", "ensembles/*.json", "evaluations/*/results.json"),
    *("start/*/start.json", "start/*/*.safetensors"),
    *(
        f"{folder}/**/{name}"
        for folder in ("models", "members")  # `members` in release 0.1
        for name in MODEL_FILES
    ),
)
Hash = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]


class ManifestFile(BaseModel):
    """Content of `manifest.json`: file → hash of its content, and of the one before it."""

    sha256: dict[str, list[Hash]]


class Manifest:
    """The hashes of the files in the folder of a run.

    A hash is recorded before its file is written, and that of the previous content is kept, so
    that a process may be killed at any time.
    """

    def __init__(self, folder: Path) -> None:
        self.folder, self.path = folder, folder / FILE

    def write_json(self, path: Path, content: object) -> None:
        """Write a JSON file of the run, and record its hash."""
        text = as_json(content)
        with self._locked():
            hashes, name = self._read(), path.relative_to(self.folder).as_posix()
            new = hashlib.sha256(text.encode()).hexdigest()
            if hashes.get(name, [""])[0] != new:
                hashes[name] = [new, *hashes.get(name, [])][:2]
                write_json(self.path, {"sha256": hashes})
            write_text(path, text)

    def add_missing(self) -> None:
        """Record the files that have been written by others and are not in the manifest."""
        with self._locked():
            hashes = self._read()
            found = {
                path.relative_to(self.folder).as_posix(): path
                for pattern in FILES
                for path in sorted(self.folder.glob(pattern))
                if path.is_file()
            }
            new = {name: [hash_file(path)] for name, path in found.items() if name not in hashes}
            if new:
                write_json(self.path, {"sha256": hashes | new})

    def check(self, *, resumed: bool = False) -> None:
        """Raise RunError, naming the file, if a file of the run is missing or was edited.

        resumed  whether missing files are written again, and therefore not an error.
        """
        check_links(self.folder)
        hashes = self._read()
        missing = [name for name in hashes if not (self.folder / name).is_file()]
        if missing and not resumed:
            raise RunError(
                f"{self.folder / missing[0]} is missing: restore it, or run the study again"
            )
        for name in hashes.keys() - set(missing):
            if hash_file(self.folder / name) not in hashes[name]:
                raise RunError(
                    f"{self.folder / name} was edited or is of another run: restore it, or run "
                    "the study again"
                )
        if missing:
            kept = {name: value for name, value in hashes.items() if name not in missing}
            write_json(self.path, {"sha256": kept})

    @contextmanager
    def _locked(self) -> Iterator[None]:
        """Exclude other processes; raises MachineError if the folder cannot be written to."""
        lock = FileLock(self.folder / f".{FILE}.lock")
        try:
            lock.acquire()
        except OSError as problem:
            reason = problem.strerror or str(problem)
            raise MachineError(f"'{self.path}' cannot be written: {reason}") from None
        try:
            yield
        finally:
            lock.release()

    def _read(self) -> dict[str, list[str]]:
        """Return file → hashes; {} for a run of release 0.1.

        Raises RunError for a file outside the folder.
        """
        if not self.path.is_file():
            return {}
        hashes: dict[str, list[str]] = read_json(self.path, ManifestFile)["sha256"]
        for name in hashes:
            inside(self.folder, name)
        return hashes


def inside(folder: Path, name: str) -> Path:
    """Return the path of a file in the folder of a run.

    Raises RunError if it is elsewhere.
    """
    try:
        path, root = os.path.realpath(folder / name), os.path.realpath(folder)
        is_inside = os.path.commonpath([path, root]) == root and path != root
    except ValueError:  # a null character
        is_inside = False
    if not is_inside:
        raise RunError(f"the run {folder} names a file outside its folder: '{name[:80]}'")
    return folder / name


def check_links(folder: Path) -> None:
    """Raise RunError if a link in the folder of a run leads out of it."""
    root = os.path.realpath(folder)
    for path in _links(folder):
        if os.path.commonpath([os.path.realpath(path), root]) != root:
            raise RunError(f"{path} is a link out of the run: replace it by the file itself")


def _links(folder: Path) -> Iterator[str]:
    for place, folders, files in os.walk(folder):
        yield from (p for n in (*folders, *files) if os.path.islink(p := os.path.join(place, n)))
