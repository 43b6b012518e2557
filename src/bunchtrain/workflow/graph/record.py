"""The record of a run's stages, `stages.json`: key, state, time and files of each."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path
from typing import Literal

from filelock import FileLock
from pydantic import BaseModel

from bunchtrain.errors import BunchtrainError, RunError
from bunchtrain.files import atomic_path, hash_file, read_json, write_json
from bunchtrain.workflow.graph.stage import Stage

FILE = "stages.json"
#: Newest runs in which a result is looked up.
_RUNS = 100

#: Name and state of a stage in the record.
StageState = Literal["finished", "failed"]


class StageRecord(BaseModel):
    """One stage: its key, how it ended, what it took, and the hashes of its files."""

    key: str
    kind: str
    inputs: list[str] = []
    state: StageState
    seconds: float = 0.0
    memory_mb: float = 0.0
    reused_from: str | None = None
    why: str = ""
    files: dict[str, str] = {}


class RecordFile(BaseModel):
    """Content of `stages.json`."""

    stages: dict[str, StageRecord]


def read_record(run: Path) -> dict[str, StageRecord]:
    """Return stage → record of a run, {} if it has none.

    Raises RunError if the file is damaged.
    """
    try:
        found = (run / FILE).stat()
    except OSError:
        return {}
    return dict(_read(run / FILE, (found.st_mtime_ns, found.st_size, found.st_ino)))


@lru_cache(2 * _RUNS)
def _read(path: Path, state: tuple[int, ...]) -> dict[str, StageRecord]:
    """Return the content of a record, once for each state of its file."""
    content = read_json(path, RecordFile)["stages"]
    return {name: StageRecord(**one) for name, one in content.items()}


def write_record(run: Path, name: str, record: StageRecord) -> None:
    """Add the record of a stage, or replace it; several processes may do so."""
    with FileLock(run / f".{FILE}.lock"):
        stages = read_record(run) | {name: record}
        write_json(run / FILE, {"stages": {n: one.model_dump() for n, one in stages.items()}})


def finished(run: Path, stage: Stage, key: str) -> bool:
    """Return whether a run has the result of a stage with this key, all its files unchanged."""
    record = read_record(run).get(stage.name)
    return record is not None and _is_complete(run, record, key)


def hash_files(run: Path, stage: Stage) -> dict[str, str]:
    """Return file → hash of the result of a stage."""
    return {path.relative_to(run).as_posix(): hash_file(path) for path in stage.files(run)}


def find_result(run: Path, stage: Stage, key: str) -> tuple[Path, StageRecord] | None:
    """Return another run of the same study that has the result of a stage, and its record."""
    for other in other_runs(run):
        try:
            record = read_record(other).get(stage.name)
        except RunError:  # a damaged run of before is none to take results from
            continue
        if record is not None and _is_complete(other, record, key):
            return other, record
    return None


def copy_result(run: Path, other: Path, record: StageRecord) -> None:
    """Copy the files of a result from another run, each under another name and then renamed."""
    for name in record.files:
        with atomic_path(run / name) as part:
            shutil.copyfile(other / name, part)


def other_runs(run: Path) -> Iterator[Path]:
    """Yield the other runs of the same study, the newest first."""
    own = os.path.realpath(run)
    places = sorted(run.parent.glob(f"*/{FILE}"), key=lambda path: path.parent.name, reverse=True)
    for path in places[:_RUNS]:
        if os.path.realpath(path.parent) != own:
            yield path.parent


def _is_complete(run: Path, record: StageRecord, key: str) -> bool:
    if record.state != "finished" or record.key != key:
        return False
    try:
        return all(_is_unchanged(run, name, value) for name, value in record.files.items())
    except BunchtrainError:
        return False


def _is_unchanged(run: Path, name: str, value: str) -> bool:
    path = run / name
    inside = os.path.realpath(path).startswith(os.path.realpath(run) + os.sep)
    return inside and path.is_file() and hash_file(path) == value
