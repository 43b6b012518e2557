"""Jets in an NPZ archive of flat constituents with offsets."""

from __future__ import annotations

from collections.abc import Collection, Iterator

import awkward as ak

from bunchtrain.parts.ranges import Momentum
from bunchtrain.tables.sources.files import Files, unknown_column
from bunchtrain.tables.table import Table

_STORED = "constituents_eta_phi_pt"
_COLUMN_OF = {"constituent_eta": 0, "constituent_phi": 1, "constituent_pt": 2}
_MOMENTUM = f"{_STORED}_2"


class JetArchive(Table):
    """Hadronic τ and QCD jets from an NPZ archive of constituents (η, φ, pT), offsets and `is_tau`.

    Columns: `constituent_pt` (GeV), `constituent_eta`, `constituent_phi` (rad) of the constituents
    above `minimum_pt` (GeV), `is_tau` and `event_id`.

    files       path or glob, or a list of them.
    minimum_pt  constituents below are left out, in GeV.
    """

    def __init__(self, *, files: str | list[str], minimum_pt: Momentum = 0.1) -> None:
        self._files = Files(files=files, format="npz")
        self._minimum = minimum_pt

    def fingerprint(self) -> str:
        """Return the fingerprint of the files and of the cut."""
        return f"{self._files.fingerprint()} {self._minimum}"

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        return {"constituent_pt": "GeV", "constituent_phi": "rad"}

    def fields(self) -> dict[str, str]:
        """Return column → type."""
        known = self._files.fields()
        if _MOMENTUM not in known:
            raise unknown_column(_MOMENTUM, known, "the jet archive")
        lists = dict.fromkeys(_COLUMN_OF, known[_MOMENTUM])
        return lists | {name: kind for name, kind in known.items() if _STORED not in name}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in order, as records of these columns, in chunks of at most `rows`."""
        known = self.fields()
        for column in columns:
            if column not in known:
                raise unknown_column(column, known, "the jet archive")
        stored = {name: f"{_STORED}_{_COLUMN_OF[name]}" for name in columns if name in _COLUMN_OF}
        flat = [name for name in columns if name not in _COLUMN_OF]
        momentum = [_MOMENTUM] if stored else []
        for raw in self._files.blocks({*momentum, *stored.values(), *flat}, rows):
            mask = raw[_MOMENTUM] > self._minimum if stored else None
            made = {n: raw[stored[n]][mask] if n in stored else raw[n] for n in columns}
            yield ak.zip(made, depth_limit=1) if made else raw
