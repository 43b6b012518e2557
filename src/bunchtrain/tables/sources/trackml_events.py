"""Simulated events of the TrackML challenge (arXiv:1904.06778)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from pathlib import Path
from typing import Any, ClassVar

import awkward as ak
import numpy as np
import pyarrow as pa
import pyarrow.csv

from bunchtrain.errors import DataError
from bunchtrain.tables.geometry import Geometry, surface_number
from bunchtrain.tables.reading.paths import fingerprint, resolve_one
from bunchtrain.tables.sources._event_files import (
    EventFiles,
    check_finite,
    check_links,
    check_once,
    link,
)
from bunchtrain.tables.table import Table

_HIT = {"x": "float32", "y": "float32", "z": "float32"}
_PARTICLE = ("vx", "vy", "vz", "px", "py", "pz")


class TrackmlEvents(EventFiles):
    """Hits of a general-purpose tracker, with the particle of each hit.

    Columns: `hit_x`, `hit_y`, `hit_z` in mm; `hit_volume`, `hit_layer`, `hit_module` and
    `hit_surface`, one number of the three; `hit_particle`, the index of its particle in the event,
    −1 for noise; `hit_weight` of the score of the challenge. `particle_vx`, `_vy`, `_vz` in mm,
    `particle_px`, `_py`, `_pz`, `_pt` in GeV, `particle_charge`, `particle_hits`, `particle_id`.

    `detectors` becomes the conditions `geometry`, by `surface`: position x, y, z, width, height and
    thickness of each module in mm.

    files      the files `event…-hits.csv`, path or glob or a list; those of the particles and of
               the truth lie beside them.
    detectors  the file `detectors.csv`; hits on a module that it lacks are an error.
    """

    name = "trackml_events"
    layout: ClassVar[Mapping[str, str]] = {
        "event_number": "int64",
        **{f"hit_{n}": f"var * {kind}" for n, kind in _HIT.items()},
        **{f"hit_{n}": "var * int64" for n in ("volume", "layer", "module", "surface", "particle")},
        "hit_weight": "var * float32",
        "particle_id": "var * int64",
        **{f"particle_{n}": "var * float32" for n in (*_PARTICLE, "pt")},
        **{f"particle_{n}": "var * int64" for n in ("charge", "hits")},
    }
    unit_of: ClassVar[Mapping[str, str]] = {
        **{f"hit_{n}": "mm" for n in "xyz"},
        **{f"particle_{n}": "mm" for n in _PARTICLE[:3]},
        **{f"particle_{n}": "GeV" for n in (*_PARTICLE[3:], "pt")},
    }

    def __init__(self, *, files: str | list[str], detectors: str | None = None) -> None:
        super().__init__(files)
        self.detectors = detectors

    def fingerprint(self) -> str:
        """Return a text that changes with the files of all events, and the detector's."""
        every = [_beside(path, kind) for path in self.paths for kind in ("particles", "truth")]
        every += [self._detector_file] if self.detectors else []
        return f"{super().fingerprint()} {[fingerprint(path) for path in every]}"

    @property
    def entries(self) -> int:
        """The number of events, one a file."""
        return len(self.paths)

    @property
    def _detector_file(self) -> str:
        assert self.detectors is not None
        return resolve_one(self.detectors, self.name)

    @cached_property
    def conditions(self) -> Mapping[str, Table]:
        """The modules, if the file of them is given."""
        return {"geometry": self._modules} if self.detectors else {}

    @cached_property
    def _modules(self) -> Table:
        path = self._detector_file
        names = ("volume_id", "layer_id", "module_id", "cx", "cy", "cz")
        size = ("module_minhu", "module_maxhu", "module_hv", "module_t")
        read = _read(path, (*names, *size))
        surface = surface_number(read["volume_id"], read["layer_id"], read["module_id"])
        check_once(surface, 0 * surface, "module", path)
        columns = {
            "surface": surface,
            "layer": read["layer_id"],
            "volume": read["volume_id"],
            **{axis: read[f"c{axis}"] for axis in "xyz"},
            "width": read["module_minhu"] + read["module_maxhu"],
            "height": 2 * read["module_hv"],
            "thickness": 2 * read["module_t"],
        }
        return Geometry(columns, "surface")

    def read(self, path: str, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the columns of the event of a file of hits."""
        hits = _read(path, ("hit_id", "x", "y", "z", "volume_id", "layer_id", "module_id"))
        truth_file, particle_file = _beside(path, "truth"), _beside(path, "particles")
        truth = _read(truth_file, ("hit_id", "particle_id", "weight"))
        found = _read(particle_file, ("particle_id", *_PARTICLE, "q", "nhits"))
        zero = np.zeros(len(hits["hit_id"]), np.int64)
        check_once(hits["hit_id"], zero, "hit", path)
        check_once(truth["hit_id"], np.zeros_like(truth["hit_id"]), "hit", truth_file)
        known = found["particle_id"]
        check_once(known, np.zeros_like(known), "particle", particle_file)
        row = link(hits["hit_id"], truth["hit_id"], zero, np.zeros_like(truth["hit_id"]))
        if (row < 0).any():
            lost = hits["hit_id"][np.argmin(row)]
            raise DataError(f"{truth_file}: there is no truth of hit {lost}")
        ids = truth["particle_id"][row]
        particle = link(ids, known, zero, np.zeros_like(known), none=(0,))
        check_links(ids, particle, (0,), "hit", truth_file)
        surface = surface_number(hits["volume_id"], hits["layer_id"], hits["module_id"])
        self._check_surfaces(surface, path)
        made = {f"hit_{n}": hits[n] for n in "xyz"}
        check_finite(made, "hit", path)
        made |= {f"hit_{n}": hits[f"{n}_id"] for n in ("volume", "layer", "module")}
        made |= {"hit_surface": surface, "hit_particle": particle}
        made |= {"hit_weight": truth["weight"][row], "particle_id": known}
        made |= {f"particle_{n}": found[n] for n in _PARTICLE}
        made["particle_pt"] = np.hypot(found["px"], found["py"])
        made |= {"particle_charge": found["q"], "particle_hits": found["nhits"]}
        number = "".join(c for c in Path(path).name.partition("-")[0] if c.isdigit())
        yield {
            "event_number": [int(number or 0)],
            **{n: ak.unflatten(v, [len(v)]) for n, v in made.items()},
        }

    def _check_surfaces(self, surface: Any, path: str) -> None:
        if not self.detectors:
            return
        known = next(self._modules.blocks(["surface"], 10**7))["surface"]
        lost = np.flatnonzero(~np.isin(surface, np.asarray(known)))
        if len(lost):
            volume, rest = divmod(int(surface[lost[0]]), 10**8)
            where = f"volume {volume}, layer {rest // 10**5}, module {rest % 10**5}"
            raise DataError(
                f"{path}: hit {lost[0]} lies on {where}, which '{self._detector_file}' does not "
                f"have; {len(lost):,} of {len(surface):,} hits do so"
            )


def _beside(path: str, kind: str) -> str:
    if "-hits." not in path:
        raise DataError(f"'{path}' is not a file of hits: give files 'event…-hits.csv'")
    return path.replace("-hits.", f"-{kind}.")


def _read(path: str, names: tuple[str, ...]) -> dict[str, Any]:
    """Return columns of a CSV file; DataError if one is missing or the file is damaged."""
    try:
        table = pa.csv.read_csv(path)
    except (OSError, pa.ArrowException) as problem:
        reason = str(problem).partition("\n")[0]
        raise DataError(f"'{path}' cannot be read as a TrackML file: {reason}") from None
    if lost := [name for name in names if name not in table.column_names]:
        raise DataError(f"'{path}' has no column '{lost[0]}'; it is not a TrackML file")
    return {name: table[name].to_numpy() for name in names}
