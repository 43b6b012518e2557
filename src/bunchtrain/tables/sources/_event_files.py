"""Base of the published layouts of detector events: hits, particles and the links between them."""

from __future__ import annotations

import io
from abc import abstractmethod
from collections.abc import Collection, Iterator, Mapping
from typing import Any, ClassVar

import awkward as ak
import numpy as np
import pyarrow as pa
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.cache.shards import rechunk
from bunchtrain.tables.reading.paths import fingerprint, open_binary, resolve
from bunchtrain.tables.sources.files import unknown_column
from bunchtrain.tables.table import Table

Ints = NDArray[np.int64]


class EventFiles(Table):
    """Events of files in a published layout, with the same columns whatever the files hold.

    files  path or glob, or a list of them.
    """

    #: Name of the source, in messages.
    name: ClassVar[str]
    #: Column → awkward type, and column → unit.
    layout: ClassVar[Mapping[str, str]]
    unit_of: ClassVar[Mapping[str, str]] = {}

    def __init__(self, files: str | list[str]) -> None:
        self._given = files

    @property
    def paths(self) -> list[str]:
        """The files in order."""
        return [path for path, _ in resolve(self._given)]

    def fingerprint(self) -> str:
        """Return a text that changes with the files."""
        return f"{self.name} 1 {[fingerprint(path) for path in self.paths]}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return dict(self.layout)

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        return dict(self.unit_of)

    @abstractmethod
    def read(self, path: str, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the columns of about `rows` events of a file at a time, of type as in `layout`."""

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in order, as records of these columns, in blocks of at most `rows`."""
        for column in columns:
            if column not in self.layout:
                raise unknown_column(column, self.layout, f"the source {self.name}")
        for path in self.paths:
            yield from rechunk(rows, (self._record(b, columns) for b in self.read(path, rows)))

    def _record(self, block: Mapping[str, Any], columns: Collection[str]) -> ak.Array:
        names = list(columns) or list(self.layout)[:1]
        found = {
            name: ak.values_astype(ak.Array(block[name]), self.layout[name].rpartition(" ")[2])
            for name in names
        }
        return ak.zip(found, depth_limit=1)[list(columns)]


def open_lines(path: str) -> io.TextIOWrapper:
    """Return a local or remote text file, also one that gzip, bzip2, xz or Zstandard compressed."""
    ending = {"gz": "gzip", "bz2": "bz2", "zst": "zstd"}.get(path.rpartition(".")[2].lower())
    stream = open_binary(path)
    if ending is not None:
        stream = pa.CompressedInputStream(stream, ending)
    return io.TextIOWrapper(stream, encoding="utf-8", errors="replace")


def link(ids: Ints, known: Ints, of_hit: Ints, of_known: Ints, none: Collection[int] = ()) -> Ints:
    """Return the index within its event of the particle of each hit, −1 for none, (hits,).

    ids       (hits,) identifier of the particle of each hit.
    known     (particles,) identifiers of the particles.
    of_hit    (hits,) event of each hit.
    of_known  (particles,) event of each particle, rising.
    none      identifiers that mean no particle.
    """
    found = np.full(len(ids), -1, np.int64)
    if not len(known):
        return found
    start = np.searchsorted(of_known, of_known, side="left")
    order = np.lexsort((known, of_known))
    number, inverse = np.unique(np.concatenate([known, ids]), return_inverse=True)
    key = of_known * len(number) + inverse[: len(known)]
    wanted = of_hit * len(number) + inverse[len(known) :]
    place = np.minimum(np.searchsorted(key[order], wanted), len(known) - 1)
    is_known = (key[order][place] == wanted) & ~np.isin(ids, list(none))
    row = order[place]
    found[is_known] = (row - start[row])[is_known]
    return found


def check_once(ids: Ints, event: Ints, what: str, path: str) -> None:
    """Raise DataError if a number is given twice in one event, (items,) each."""
    order = np.lexsort((ids, event))
    same = (np.diff(ids[order]) == 0) & (np.diff(event[order]) == 0)
    if same.any():
        row = order[int(np.flatnonzero(same)[0])]
        where = f"event {event[row]} of the block"
        raise DataError(f"{path}: {what} {ids[row]} is there twice in {where}")


def check_links(ids: Ints, found: Ints, none: Collection[int], what: str, path: str) -> None:
    """Raise DataError if a hit names a particle that its event does not have, (hits,) each."""
    lost = np.flatnonzero((found < 0) & ~np.isin(ids, list(none)))
    if len(lost):
        raise DataError(
            f"{path}: {what} {lost[0]} of {len(ids):,} names particle {ids[lost[0]]}, which its "
            f"event does not have; {len(lost):,} do so"
        )


def check_finite(columns: Mapping[str, Any], what: str, path: str) -> None:
    """Raise DataError if a position is NaN or infinite; columns are lists of the events."""
    for name, values in columns.items():
        flat = ak.to_numpy(ak.flatten(values, axis=None))
        if len(bad := np.flatnonzero(~np.isfinite(flat))):
            raise DataError(f"{path}: {name} of {what} {bad[0]} is {flat[bad[0]]}, not a position")
