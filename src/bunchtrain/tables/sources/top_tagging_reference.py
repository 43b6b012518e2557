"""The top-tagging reference data set in its published layout (arXiv:1902.09914)."""

from __future__ import annotations

from collections.abc import Collection

from bunchtrain.tables.sources._padded import Layout, Padded
from bunchtrain.tables.sources.files import Files, unknown_column

_MOMENTA = {"energy": "E", "px": "PX", "py": "PY", "pz": "PZ"}


class TopTaggingReference(Padded):
    """Top and QCD jets of the published HDF5 files (arXiv:1902.09914, doi:10.5281/zenodo.2603256).

    Columns: `constituent_energy`, `_px`, `_py`, `_pz` in GeV without the zero padding, `is_signal`
    (1: top) and `ttv`, the set to which the authors assigned the jet.
    """

    def __init__(self, *, files: str | list[str], key: str = "table") -> None:
        super().__init__(Files(files=files, tree=key, format="hdf5"))

    def layout(self, stored: Collection[str]) -> Layout:
        """Return the layout of `E_0 … PZ_199`, `is_signal_new` and `ttv`."""
        slots = range(sum(f"E_{slot}" in stored for slot in range(len(stored))))
        for name in ("E_0", "is_signal_new"):
            if name not in stored:
                raise unknown_column(name, stored, "the top-tagging file")
        return Layout(
            present=[f"E_{slot}" for slot in slots],
            lists={
                f"constituent_{name}": [f"{letter}_{slot}" for slot in slots]
                for name, letter in _MOMENTA.items()
            },
            flat={"is_signal": "is_signal_new"} | ({"ttv": "ttv"} if "ttv" in stored else {}),
        )
