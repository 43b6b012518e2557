"""Published samples by name: their addresses, licences and checksums."""

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
from bunchtrain.tables.published.download import Download, openml_file


@dataclass(frozen=True)
class PublishedSample:
    """A sample with a DOI; `files` maps the name of a file to its checksum, such as `md5:…`.

    For a sample of OpenML, `address` is its description, which contains the URL and the checksum of
    its file.
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
    """Return the files of a published sample; missing files are downloaded.

    An interrupted download is resumed; a file is renamed to its name after its checksum has been
    verified.

    name      Short name of the sample.
    folder    Folder of the files; `samples/<name>` under $BUNCHTRAIN_CACHE or ~/.cache/bunchtrain
              if unset.
    patterns  Names or globs of the files to download, such as `val*`; all if empty.
    known     Samples to choose from.

    Raises:
        DataError: No such sample or file, or a wrong checksum.
        MachineError: No network, an HTTP error, or a full disk.
    """
    if name not in known:
        hint = nearest(name, known) or f"; there are {one_of(known)}"
        raise DataError(f"there is no published sample named '{name}'{hint}")
    sample = known[name]
    for pattern in patterns:
        if not any(fnmatch(file, pattern) for file in sample.files):
            hint = nearest(pattern, sample.files) or f"; its files are {one_of(sample.files)}"
            raise DataError(f"published sample '{name}' has no file '{pattern}'{hint}")
    target = Path(folder or cache_folder() / "samples" / name).expanduser()
    selected = [f for f in sample.files if not patterns or any(fnmatch(f, p) for p in patterns)]
    return [_retrieve(sample, file, target) for file in selected]


def _retrieve(sample: PublishedSample, file: str, folder: Path) -> Path:
    pooch.get_logger().setLevel("WARNING")
    partial = folder / f"{file}.partial"
    url, checksum = f"{sample.address}/{file}", sample.files[file]
    if sample.openml:
        url, checksum = openml_file(sample.address)
    try:
        folder.mkdir(parents=True, exist_ok=True)
        found = pooch.retrieve(url, checksum, file, folder, downloader=Download(partial))
    except ValueError:
        raise DataError(
            f"{url} does not have the checksum {checksum}: the file has changed or was damaged "
            f"in transit; run the command again, or check doi:{sample.doi}"
        ) from None
    except OSError as problem:
        raise MachineError(
            f"cannot write {folder / file} ({problem.strerror or problem}); free space there or "
            "choose another folder"
        ) from None
    return Path(found)
