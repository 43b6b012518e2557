"""The LHC Olympics 2020 events in their published layout (arXiv:2101.08320)."""

from __future__ import annotations

from collections.abc import Collection

from bunchtrain.tables.sources._padded import Layout, Padded
from bunchtrain.tables.sources.files import Files, unknown_column

_SLOTS = 700


class LhcOlympics(Padded):
    """Events from the LHC Olympics HDF5 files (arXiv:2101.08320), up to 700 particles each.

    Columns: `particle_pt` (GeV), `particle_eta`, `particle_phi` (rad) without the zero padding and,
    if the file has a label, `is_signal`.
    """

    def __init__(self, *, files: str | list[str], key: str = "df") -> None:
        super().__init__(Files(files=files, tree=key, format="hdf5"))

    def layout(self, stored: Collection[str]) -> Layout:
        """Return the layout of 700 × (pT, η, φ) and the label; the column names are integers."""
        columns = [f"column_{index}" for index in range(3 * _SLOTS)]
        if columns[-1] not in stored:
            raise unknown_column(columns[-1], stored, "the LHC Olympics file")
        label = f"column_{3 * _SLOTS}"
        return Layout(
            present=columns[::3],
            lists={f"particle_{n}": columns[k::3] for k, n in enumerate(("pt", "eta", "phi"))},
            flat={"is_signal": label} if label in stored else {},
        )
