"""Simulated minimum-bias events in the vertex detector of the LHCb upgrade, with truth."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.files import hash_file
from bunchtrain.tables.geometry import extents
from bunchtrain.tables.reading.paths import resolve_one
from bunchtrain.tables.sources.files import unknown_column
from bunchtrain.tables.table import Table

Ints = NDArray[np.int64]


class LhcbVelo(Table):
    """Hits of the VELO with the particles that made them, from one NPZ file.

    Columns: `hit_x`, `hit_y`, `hit_z` in mm; `hit_module`, the index of the module; `hit_particle`,
    the index of the particle in the event, −1 for hits of none (of several particles the first).
    `particle_p` and `particle_pt` in GeV, `particle_eta`, `particle_phi`, `particle_pid`,
    `particle_hits` (its number of hits) and its flags, such as `particle_hasVelo`.

    The modules travel with the events as the conditions `geometry`, by `module`: the boxes around
    the hits of all events, as the file has no geometry.

    files  path of the file with `hits`, `hit_offsets`, `particle_hits` and so on.
    """

    def __init__(self, *, files: str) -> None:
        self.path = resolve_one(files, "lhcb_velo")

    def fingerprint(self) -> str:
        """Return the hash of the file."""
        return f"lhcb_velo {hash_file(Path(self.path))}"

    @cached_property
    def _arrays(self) -> Mapping[str, NDArray[Any]]:
        try:
            with np.load(self.path, allow_pickle=False) as archive:
                return {name: archive[name] for name in archive.files}
        except (OSError, ValueError, EOFError) as problem:
            raise DataError(f"{self.path} is no readable NPZ file: {problem}") from None

    @cached_property
    def _table(self) -> ak.Array:
        """All events as records."""
        arrays = self._arrays
        try:
            hits, per_event = arrays["hits"], np.diff(arrays["hit_offsets"])
            particles = np.diff(arrays["particle_offsets"])
            columns = {
                f"hit_{axis}": ak.unflatten(hits[:, k], per_event) for k, axis in enumerate("xyz")
            }
            columns["hit_module"] = ak.unflatten(_modules(arrays["module_prefix_sum"]), per_event)
            columns["hit_particle"] = ak.unflatten(_particle_of_hits(arrays), per_event)
            found = np.diff(arrays["particle_hit_offsets"])
            columns["particle_hits"] = ak.unflatten(found, particles)
            columns["particle_pid"] = ak.unflatten(arrays["pid"], particles)
            for k, name in enumerate(arrays["particle_kin_columns"].tolist()):
                is_mev = name.endswith("_MeV")
                values = arrays["particle_kin"][:, k] * np.float32(0.001 if is_mev else 1.0)
                columns[f"particle_{name.removesuffix('_MeV')}"] = ak.unflatten(values, particles)
            for k, name in enumerate(arrays["particle_flag_columns"].tolist()):
                columns[f"particle_{name}"] = ak.unflatten(
                    arrays["particle_flags"][:, k].astype(np.int64), particles
                )
        except KeyError as problem:
            raise DataError(f"{self.path} has no array {problem}; it is not a VELO file") from None
        return ak.zip(columns, depth_limit=1)

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        lengths = dict.fromkeys(("hit_x", "hit_y", "hit_z"), "mm")
        return lengths | {"particle_p": "GeV", "particle_pt": "GeV", "particle_phi": "rad"}

    @cached_property
    def conditions(self) -> Mapping[str, Table]:
        """The modules, by `module`."""
        modules = ak.to_numpy(ak.flatten(self._table["hit_module"]))
        return {"geometry": extents(modules, self._arrays["hits"][:, :3])}

    def fields(self) -> dict[str, str]:
        """Return column → type."""
        return {name: str(self._table[name].type.content) for name in self._table.fields}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in order, as records of these columns, in chunks of at most `rows`."""
        table = self._table
        for column in columns:
            if column not in table.fields:
                raise unknown_column(column, table.fields, "the source LhcbVelo")
        for start in range(0, len(table), rows):
            yield table[list(columns)][start : start + rows]


def _modules(prefix: NDArray[Any]) -> Ints:
    """Return the module of each hit, sorted by module, from `prefix` (events, modules + 1)."""
    last = prefix.astype(np.int64)
    counts: Ints = last[:, 1:] - last[:, :-1]
    return np.repeat(np.tile(np.arange(counts.shape[1]), len(counts)), counts.ravel())


def _particle_of_hits(arrays: Mapping[str, NDArray[Any]]) -> Ints:
    """Return the index within its event of the particle of each hit, −1 for none."""
    per_particle = np.diff(arrays["particle_hit_offsets"])
    per_event = np.diff(arrays["particle_offsets"])
    event = np.repeat(np.arange(len(per_event)), per_event)  # (particles,)
    index = np.arange(len(event)) - arrays["particle_offsets"][event]
    hit = arrays["particle_hits"].astype(np.int64)
    hit = hit + np.repeat(arrays["hit_offsets"][event], per_particle)
    found = np.full(len(arrays["hits"]), -1, np.int64)
    found[hit[::-1]] = np.repeat(index, per_particle)[::-1]  # the first particle of a hit last
    return found
