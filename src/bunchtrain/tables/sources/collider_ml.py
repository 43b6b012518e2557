"""Events of the Open Data Detector in the layouts of ColliderML (arXiv:2512.15230)."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, ClassVar

import awkward as ak
import numpy as np
import pyarrow.parquet as pq

from bunchtrain.errors import DataError
from bunchtrain.tables.column_types import simplify
from bunchtrain.tables.reading.paths import check, fingerprint, openable, resolve
from bunchtrain.tables.sources._event_files import (
    EventFiles,
    check_finite,
    check_links,
    check_once,
    link,
    open_lines,
)

_KINDS = ("particles", "tracker_hits", "calo_hits")


class ColliderMl(EventFiles):
    """Tracker and calorimeter hits of the Open Data Detector, with the particle of each hit.

    Columns: `event_number`; `hit_x`, `hit_y`, `hit_z` in mm, `hit_volume`, `hit_layer` (−1 where
    the file has none) and `hit_particle`; `cell_x`, `cell_y`, `cell_z` in mm, `cell_energy` in GeV
    and `cell_particle`, that of most of its energy; `particle_id`, `particle_pdg`, `particle_pt` in
    GeV and `particle_hits`, its number of tracker hits. `hit_particle` and `cell_particle` are
    indices in the event, −1 for none.

    files  JSON events, `event_0.json.gz`, path or glob; or the Parquet files of particles, of a
           folder or name with `particles`; those of `tracker_hits` and `calo_hits` lie beside.
    """

    name = "collider_ml"
    layout: ClassVar[Mapping[str, str]] = {
        "event_number": "int64",
        **{f"hit_{n}": "var * float32" for n in "xyz"},
        **{f"hit_{n}": "var * int64" for n in ("volume", "layer", "particle")},
        **{f"cell_{n}": "var * float32" for n in ("x", "y", "z", "energy")},
        "cell_particle": "var * int64",
        **{f"particle_{n}": "var * int64" for n in ("id", "pdg", "hits")},
        "particle_pt": "var * float32",
    }
    unit_of: ClassVar[Mapping[str, str]] = {
        **{f"{group}_{n}": "mm" for group in ("hit", "cell") for n in "xyz"},
        **{"cell_energy": "GeV", "particle_pt": "GeV"},
    }

    def __init__(self, *, files: str | list[str]) -> None:
        super().__init__(files)

    def fingerprint(self) -> str:
        """Return a text that changes with the files of all kinds."""
        beside = [
            fingerprint(_beside(path, kind))
            for path in self.paths
            for kind in _KINDS[1:]
            if path.endswith(".parquet")
        ]
        return f"{super().fingerprint()} {beside}"

    def read(self, path: str, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the columns of the event of a JSON file, or of blocks of Parquet files."""
        check(path)
        yield from _of_parquet(path, rows) if path.endswith(".parquet") else _of_json(path)


def _of_json(path: str) -> Iterator[dict[str, Any]]:
    try:
        with open_lines(path) as lines:
            event = json.load(lines)
        hits, cells = event["all_tracker_hits"], event["calo_hits"]
        number = int(event["metadata"]["event_id"])
    except (ValueError, OSError) as problem:
        raise DataError(f"'{path}' is no readable JSON file: {problem}") from None
    except (KeyError, TypeError) as problem:
        raise DataError(f"'{path}' is no ColliderML event: it has no {problem}") from None
    try:
        of_hit = {name: _column(hits, name) for name in ("x", "y", "z", "volume_id", "HIT_ID")}
        of_cell = {name: _column(cells, name) for name in ("x", "y", "z", "energy")}
        first = dict[int, dict[str, Any]]()
        for one in (*event["tracks"], *hits, *cells):
            first.setdefault(int(one["particle_id"]), one)
    except KeyError as problem:
        raise DataError(f"'{path}' is no ColliderML event: a hit has no {problem}") from None
    check_once(of_hit["HIT_ID"].astype(np.int64), np.zeros(len(hits), np.int64), "hit", path)
    known = np.array(sorted(number for number in first if number >= 0), np.int64)
    made = {f"hit_{n}": of_hit[n] for n in "xyz"} | {"hit_volume": of_hit["volume_id"]}
    made |= {"hit_layer": np.full(len(hits), -1)}
    made |= {f"cell_{n}": values for n, values in of_cell.items()}
    check_finite({n: v for n, v in made.items() if n[-1] in "xyz"}, "hit", path)
    for group, items in (("hit", hits), ("cell", cells)):
        ids = _column(items, "particle_id").astype(np.int64)
        zero = np.zeros(len(ids), np.int64)
        made[f"{group}_particle"] = link(ids, known, zero, np.zeros_like(known))
    made |= {"particle_id": known}
    made |= {"particle_pdg": np.array([first[one].get("pdg_id", 0) for one in known.tolist()])}
    made |= {"particle_pt": np.array([first[one].get("pT", np.nan) for one in known.tolist()])}
    owner = made["hit_particle"]
    made["particle_hits"] = np.bincount(owner[owner >= 0], minlength=len(known))
    yield {"event_number": [number], **{n: ak.unflatten(v, [len(v)]) for n, v in made.items()}}


def _column(items: list[dict[str, Any]], name: str) -> Any:
    return np.array([one[name] for one in items], np.float64)


def _beside(path: str, kind: str) -> str:
    found = kind.join(path.rsplit("particles", path.count("particles")))
    if found == path:
        raise DataError(f"'{path}': give the files of particles, with 'particles' in their path")
    return resolve(found)[0][0]


def _of_parquet(path: str, rows: int) -> Iterator[dict[str, Any]]:
    """Yield blocks; the rows of the three files are the same events in the same order."""
    names = {
        "particles": ("event_id", "particle_id", "pdg_id", "px", "py"),
        "tracker_hits": ("event_id", "x", "y", "z", "volume_id", "layer_id", "particle_id"),
        "calo_hits": (
            "event_id", "x", "y", "z", "total_energy", "contrib_particle_ids", "contrib_energies",
        ),
    }  # fmt: skip
    files = {}
    for kind, columns in names.items():
        of_kind = path if kind == "particles" else _beside(path, kind)
        check(of_kind)
        files[kind] = pq.ParquetFile(openable(of_kind))
        known = files[kind].schema_arrow.names
        if lost := [name for name in columns if name not in known]:
            raise DataError(f"'{of_kind}' has no column '{lost[0]}'; it is no ColliderML file")
    readers = [one.iter_batches(rows, columns=list(names[k])) for k, one in files.items()]
    for batches in zip(*readers, strict=True):
        block = {k: _plain(ak.from_arrow(one)) for k, one in zip(names, batches, strict=True)}
        event = block["particles"]["event_id"]
        for kind in _KINDS[1:]:
            if not ak.array_equal(block[kind]["event_id"], event, dtype_exact=False):
                raise DataError(f"'{_beside(path, kind)}' has other events than '{path}'")
        yield _parquet_columns(block, path)


def _parquet_columns(block: dict[str, dict[str, ak.Array]], path: str) -> dict[str, Any]:
    particles, hits, cells = (block[kind] for kind in _KINDS)
    counts = ak.to_numpy(ak.num(particles["particle_id"]))
    of_known = np.repeat(np.arange(len(counts)), counts)
    known = _flat_ids(particles["particle_id"])
    check_once(known, of_known, "particle", path)
    made: dict[str, Any] = {"event_number": particles["event_id"]}
    made |= {f"hit_{n}": hits[n] for n in "xyz"} | {f"cell_{n}": cells[n] for n in "xyz"}
    check_finite({n: v for n, v in made.items() if n[-1] in "xyz"}, "hit", path)
    made |= {"hit_volume": hits["volume_id"], "hit_layer": hits["layer_id"]}
    made |= {"cell_energy": cells["total_energy"], "particle_id": particles["particle_id"]}
    made |= {"particle_pdg": particles["pdg_id"]}
    made["particle_pt"] = np.hypot(particles["px"], particles["py"])
    main = ak.argmax(cells["contrib_energies"], axis=-1, keepdims=True)
    contributors = ak.values_astype(cells["contrib_particle_ids"], np.int64)
    of_cell = ak.fill_none(ak.flatten(contributors[main], axis=-1), -1)
    for group, ids in (("hit", hits["particle_id"]), ("cell", of_cell)):
        number = ak.to_numpy(ak.num(ids))
        flat, event = _flat_ids(ids), np.repeat(np.arange(len(number)), number)
        found = link(flat, known, event, of_known, none=(-1,))
        check_links(flat, found, (-1,), "hit", path)
        made[f"{group}_particle"] = ak.unflatten(found, number)
        if group == "hit":
            start = np.cumsum(counts) - counts
            owner = (found + start[event])[found >= 0]
            made["particle_hits"] = ak.unflatten(np.bincount(owner, minlength=len(known)), counts)
    return made


def _flat_ids(ids: ak.Array) -> Any:
    """Return identifiers (items,) as int64; the largest uint64, which means none, becomes −1."""
    return ak.to_numpy(ak.flatten(ids)).astype(np.int64)


def _plain(block: ak.Array) -> dict[str, ak.Array]:
    """Return the columns of a block of a file, whose types allow missing values, without them."""
    return {name: simplify(block[name]) for name in block.fields}
