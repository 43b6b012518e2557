"""Jets of the JetNet data sets (arXiv:2106.11535), 30 or 150 constituents each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, ClassVar

import awkward as ak
import h5py
import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.tables.reading.paths import check, openable
from bunchtrain.tables.sources._event_files import EventFiles

#: Classes by the first letter of the files.
CLASSES = ("g", "q", "t", "w", "z")


class JetNet(EventFiles):
    """Gluon, light-quark, top, W and Z jets from the JetNet HDF5 files.

    Columns: `constituent_pt` in GeV, `constituent_eta`, `constituent_phi` (relative to that of the
    jet, whose own is not in the files), and the stored `constituent_ptrel`, `_etarel`, `_phirel`;
    `jet_pt`, `jet_mass` in GeV, `jet_eta`, `jet_constituents`, their number as the files state it;
    `jet_type`: 0 g, 1 q, 2 t, 3 W, 4 Z, by the name of the file.

    files  `g.hdf5`, `t150.hdf5`, …, path or glob, or a list of them.
    """

    name = "jet_net"
    layout: ClassVar[Mapping[str, str]] = {
        **{f"constituent_{n}": "var * float32" for n in ("pt", "eta", "phi")},
        **{f"constituent_{n}rel": "var * float32" for n in ("pt", "eta", "phi")},
        **{f"jet_{n}": "float32" for n in ("pt", "eta", "mass")},
        **{"jet_constituents": "int64", "jet_type": "int64"},
    }
    unit_of: ClassVar[Mapping[str, str]] = {
        "constituent_pt": "GeV",
        "jet_pt": "GeV",
        "jet_mass": "GeV",
        "constituent_phi": "rad",
    }

    def __init__(self, *, files: str | list[str]) -> None:
        super().__init__(files)

    def read(self, path: str, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the columns of blocks of jets."""
        check(path)
        kind = Path(path).name[:1].lower()
        if kind not in CLASSES:
            raise DataError(f"'{path}': the name of a JetNet file begins with g, q, t, w or z")
        try:
            with h5py.File(openable(path), "r") as file:
                particles, jets = file["particle_features"], file["jet_features"]
                if particles.ndim != 3 or particles.shape[2] < 4 or jets.shape[1] < 4:
                    shapes = f"{particles.shape} and {jets.shape}"
                    raise DataError(f"'{path}': its arrays have the shapes {shapes}, not of JetNet")
                for start in range(0, len(jets), rows):
                    block = slice(start, start + rows)
                    yield _columns(particles[block], jets[block], CLASSES.index(kind))
        except KeyError as problem:
            raise DataError(f"'{path}' is no JetNet file: {problem}") from None
        except OSError as problem:
            raise DataError(f"'{path}' is no readable HDF5 file: {problem}") from None


def _columns(particles: Any, jets: Any, kind: int) -> dict[str, Any]:
    """Return columns of jets, of particles (jets, slots, 4): etarel, phirel, ptrel, mask."""
    present = particles[:, :, 3] > 0
    counts = present.sum(1)
    eta, phi, pt = (ak.unflatten(particles[:, :, k][present], counts) for k in range(3))
    jet_pt, jet_eta, mass, number = jets[:, :4].T
    return {
        **{"constituent_pt": pt * jet_pt, "constituent_eta": eta + jet_eta, "constituent_phi": phi},
        **{"constituent_ptrel": pt, "constituent_etarel": eta, "constituent_phirel": phi},
        **{"jet_pt": jet_pt, "jet_eta": jet_eta, "jet_mass": mass, "jet_constituents": number},
        "jet_type": np.full(len(jets), kind),
    }
