"""Events with the truth of an assignment of jets, in the layout of SPANet."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from functools import cached_property
from pathlib import Path

import awkward as ak
import h5py

from bunchtrain.errors import DataError
from bunchtrain.files import hash_file
from bunchtrain.tables.reading.paths import resolve_one
from bunchtrain.tables.sources.files import unknown_column
from bunchtrain.tables.table import Table


class SpanetEvents(Table):
    """Padded objects and target indices of the HDF5 files of SPANet (arXiv:2106.03898).

    Columns: `jet_pt`, `jet_eta`, … lists without the padding, of `INPUTS/<group>`; `t1_b`,
    `t1_q1`, …, the index of the jet of each product, −1 if none was matched, of `TARGETS`.

    files  path of the file.
    group  of the objects below `INPUTS`.
    mask   data set of the group that is true for objects that exist.
    """

    def __init__(self, *, files: str, group: str = "Source", mask: str = "MASK") -> None:
        self.path, self.group, self.mask = resolve_one(files, "spanet_events"), group, mask

    def fingerprint(self) -> str:
        """Return the hash of the file, with the options."""
        return f"spanet_events {self.group} {self.mask} {hash_file(Path(self.path))}"

    @cached_property
    def _places(self) -> dict[str, tuple[str, str]]:
        """Column → path of its data set, and its type."""
        found: dict[str, tuple[str, str]] = {}
        try:
            with h5py.File(self.path) as file:
                objects = file[f"INPUTS/{self.group}"]
                if self.mask not in objects:
                    raise KeyError(f"INPUTS/{self.group}/{self.mask}")
                for name, data in objects.items():
                    if name != self.mask:
                        kind = f"var * {data.dtype}"
                        found[f"jet_{name}"] = f"INPUTS/{self.group}/{name}", kind
                for particle, products in file["TARGETS"].items():
                    for name, data in products.items():
                        path = f"TARGETS/{particle}/{name}"
                        found[f"{particle}_{name}"] = path, str(data.dtype)
        except OSError as problem:
            raise DataError(f"{self.path} is no readable HDF5 file: {problem}") from None
        except KeyError as problem:
            raise DataError(f"{self.path} is not a SPANet file: it has no {problem}") from None
        return found

    def fields(self) -> dict[str, str]:
        """Return column → type."""
        return {name: kind for name, (_, kind) in self._places.items()}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in order, as records of these columns, in chunks of at most `rows`."""
        places = self._places
        for column in columns:
            if column not in places:
                raise unknown_column(column, places, "the source SpanetEvents")
        with h5py.File(self.path) as file:
            mask = file[f"INPUTS/{self.group}/{self.mask}"]
            for start in range(0, len(mask), rows):
                block = slice(start, start + rows)
                present = mask[block].astype(bool)
                counts = present.sum(1)
                made = {}
                for column in columns:
                    values = file[places[column][0]][block]
                    is_list = places[column][1].startswith("var")
                    made[column] = ak.unflatten(values[present], counts) if is_list else values
                yield ak.zip(made, depth_limit=1)
