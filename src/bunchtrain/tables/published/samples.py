"""Published samples by name: where they lie, under which licence, and with which checksum."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from importlib.resources import files
from pathlib import Path

import pooch
import yaml

from bunchtrain.errors import DataError, MachineError, nearest, one_of
from bunchtrain.files import cache_folder
from bunchtrain.tables.published.download import Download
from bunchtrain.tables.published.openml import described


@dataclass(frozen=True)
class PublishedSample:
    """A sample with a DOI; `files` maps the name of a file to its checksum, as `md5:…`.

    Of a sample of OpenML `address` is the description, which tells where its one file lies and its
    checksum.
    """

    title: str
    doi: str
    licence: str
    citation: str
    address: str
    files: Mapping[str, str]
    openml: bool = False


def _registry() -> dict[str, PublishedSample]:
    text = (
        files("bunchtrain.tables.published").joinpath("published.yaml").read_text(encoding="utf-8")
    )
    return {name: PublishedSample(**entry) for name, entry in yaml.safe_load(text).items()}


SAMPLES = _registry()


def fetch(
    name: str,
    folder: str | Path | None = None,
    patterns: Sequence[str] = (),
    known: Mapping[str, PublishedSample] = SAMPLES,
) -> list[Path]:
    """Return the files of a published sample, loading those that are not here yet.

    What a broken connection leaves is kept and gone on with; a file gets its name only when its
    checksum is right.

    Args:
        name: Short name of the sample.
        folder: Where the files go; `samples/<name>` under $BUNCHTRAIN_CACHE or
            ~/.cache/bunchtrain if unset.
        patterns: Names or globs of the files that are wanted, as `val*`; all if empty.
        known: Samples to choose from.

    Raises:
        DataError: No such sample or file, or a wrong checksum.
        MachineError: No network, an answer other than the file, or no space.
    """
    if name not in known:
        hint = nearest(name, known) or f"; there are {one_of(known)}"
        raise DataError(f"there is no published sample named '{name}'{hint}")
    sample = known[name]
    wanted = _chosen(name, sample, patterns)
    place = Path(folder or cache_folder() / "samples" / name).expanduser()
    return [_load(sample, file, place) for file in wanted]


def _chosen(name: str, sample: PublishedSample, patterns: Sequence[str]) -> list[str]:
    for pattern in patterns:
        if not any(fnmatch(file, pattern) for file in sample.files):
            hint = nearest(pattern, sample.files) or f"; its files are {one_of(sample.files)}"
            raise DataError(f"published sample '{name}' has no file '{pattern}'{hint}")
    return [f for f in sample.files if not patterns or any(fnmatch(f, p) for p in patterns)]


def _load(sample: PublishedSample, file: str, place: Path) -> Path:
    pooch.get_logger().setLevel("WARNING")
    partial = place / f"{file}.partial"
    url, checksum = f"{sample.address}/{file}", sample.files[file]
    if sample.openml:
        url, checksum = described(sample.address)
    try:
        place.mkdir(parents=True, exist_ok=True)
        found = pooch.retrieve(url, checksum, file, place, downloader=Download(partial))
    except ValueError:
        raise DataError(
            f"{url} does not have the checksum {checksum}: the file has changed or the "
            f"connection garbled it; run again, and if that does not help see doi:{sample.doi}"
        ) from None
    except OSError as problem:
        raise MachineError(
            f"cannot write {place / file} ({problem.strerror or problem}); make room there or "
            "choose another folder"
        ) from None
    return Path(found)
