"""Showers of the Fast Calorimeter Simulation Challenge 2022 (arXiv:2410.21611)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, ClassVar, Literal

import awkward as ak
import h5py
import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.tables.geometry import Geometry
from bunchtrain.tables.reading.paths import check, openable
from bunchtrain.tables.sources._event_files import EventFiles
from bunchtrain.tables.table import Table

Dataset = Literal["photons_1", "pions_1", "electrons_2", "electrons_3"]
#: Layer → edges of r in mm and number of bins in the angle, of the first data set.
_PHOTONS = {
    0: ((0, 5, 10, 30, 50, 100, 200, 400, 600), 1),
    1: ((0, 2, 4, 6, 8, 10, 12, 15, 20, 30, 40, 50, 70, 90, 120, 150, 200), 10),
    2: (
        (0, 2, 5, 10, 15, 20, 25, 30, 40, 50, 60, 80, 100, 130, 160, 200, 250, 300, 350, 400),
        10,
    ),
    3: ((0, 50, 100, 200, 400, 600), 1),
    12: ((0, 100, 200, 400, 1000, 2000), 1),
}
_WIDE = (0, 10, 20, 30, 50, 80, 100, 130, 160, 200, 250, 300, 350, 400, 1000, 2000)
_PIONS = {
    0: ((0, 5, 10, 30, 50, 100, 200, 400, 600), 1),
    1: ((0, 1, 4, 7, 10, 15, 30, 50, 90, 150, 200), 10),
    2: ((0, 5, 10, 20, 30, 50, 80, 130, 200, 300, 400), 10),
    3: ((0, 50, 100, 200, 400, 600), 1),
    12: (_WIDE, 10),
    13: ((*_WIDE[:-2], 600, 1000, 2000), 10),
    14: ((0, 50, 100, 150, 200, 250, 300, 400, 600, 1000, 2000), 1),
}
#: Width of the bins of r in mm and their numbers in r and the angle, 45 layers of 3.4 mm each.
_REGULAR = {"electrons_2": (4.65, 9, 16), "electrons_3": (2.325, 18, 50)}
_LAYERS, _DEPTH = 45, 3.4


class CaloChallenge(EventFiles):
    """Showers in cylindrical voxels, of which those with energy are hits.

    Columns: `incident_energy` in GeV; `hit_layer`, `hit_angle` and `hit_radius`, the indices of the
    voxel; `hit_energy` in GeV; `hit_x`, `hit_y` of its middle in mm, and `hit_z`, in mm for
    electrons, the number of the layer for the others, whose depths the files do not have.
    `deposited` is the sum of the voxels in GeV. The layers travel with the events as `geometry`.

    files    HDF5 files with `incident_energies` and `showers`, path or glob, or a list of them.
    dataset  `photons_1` (368 voxels), `pions_1` (533), `electrons_2` (6,480) or `electrons_3`
             (40,500); by the number of voxels if unset.
    """

    name = "calo_challenge"
    layout: ClassVar[Mapping[str, str]] = {
        **{"incident_energy": "float64", "deposited": "float64"},
        **{f"hit_{n}": "var * int64" for n in ("layer", "angle", "radius")},
        **{f"hit_{n}": "var * float32" for n in ("energy", "x", "y", "z")},
    }
    unit_of: ClassVar[Mapping[str, str]] = {
        **dict.fromkeys(("incident_energy", "deposited", "hit_energy"), "GeV"),
        **dict.fromkeys(("hit_x", "hit_y"), "mm"),
    }

    def __init__(self, *, files: str | list[str], dataset: Dataset | None = None) -> None:
        super().__init__(files)
        self.dataset = dataset

    def fingerprint(self) -> str:
        """Return a text that changes with the files and the layout."""
        return f"{super().fingerprint()} {self.dataset} angles from -pi"

    @property
    def conditions(self) -> Mapping[str, Table]:
        """The layers."""
        voxels = _voxels(self._dataset(self.paths[0]))
        layer, first = np.unique(voxels["layer"], return_index=True)
        reach = np.array([voxels["edge"][voxels["layer"] == one].max() for one in layer])
        columns = {"layer": layer, "z": voxels["z"][first], "width": 2 * reach}
        return {"geometry": Geometry(columns | {"shape": ["ring"] * len(layer)}, "layer")}

    def _dataset(self, path: str) -> str:
        with _opened(path) as file:
            count = file["showers"].shape[1]
        sizes = {name: len(_voxels(name)["layer"]) for name in _NAMES}
        found: str | None = self.dataset or next(
            (n for n, size in sizes.items() if size == count), None
        )
        if found is None or sizes[found] != count:
            what = f"those of '{found}' have {sizes[found]:,}" if found else f"known are {sizes}"
            raise DataError(f"'{path}': its showers have {count:,} voxels; {what}")
        return found

    def read(self, path: str, rows: int) -> Iterator[dict[str, Any]]:
        """Yield the columns of blocks of showers."""
        voxels = _voxels(self._dataset(path))
        with _opened(path) as file:
            energies, showers = file["incident_energies"], file["showers"]
            if len(energies) != len(showers):
                text = f"{len(energies):,} incident energies and {len(showers):,} showers"
                raise DataError(f"'{path}' has {text}; it is damaged")
            for start in range(0, len(showers), min(rows, 1000)):
                block = slice(start, start + min(rows, 1000))
                shower = showers[block] * 1e-3
                event, voxel = np.nonzero(shower > 0)
                counts = np.bincount(event, minlength=len(shower))
                made = {n: voxels[n][voxel] for n in ("layer", "angle", "radius", "x", "y", "z")}
                made["energy"] = shower[event, voxel]
                yield {
                    "incident_energy": energies[block].reshape(-1) * 1e-3,
                    "deposited": shower.sum(1),
                    **{f"hit_{n}": ak.unflatten(v, counts) for n, v in made.items()},
                }


_NAMES = ("photons_1", "pions_1", *_REGULAR)


def _opened(path: str) -> Any:
    check(path)
    try:
        file = h5py.File(openable(path), "r")
    except OSError as problem:
        raise DataError(f"'{path}' is no readable HDF5 file: {problem}") from None
    if lost := [name for name in ("incident_energies", "showers") if name not in file]:
        raise DataError(f"'{path}' has no '{lost[0]}'; it is no file of the CaloChallenge")
    return file


def _voxels(dataset: str) -> dict[str, Any]:
    """Return layer, angle, radius, x, y, z and outer edge of the voxels in the order of the file.

    Within a layer the radius runs fastest; angles begin at −π (github.com/CaloChallenge/homepage,
    XMLHandler.py and binning_dataset_1_*.xml for data sets 1).
    """
    layers: Mapping[int, tuple[tuple[float, ...], int]]
    if dataset in _REGULAR:
        width, radii, angles = _REGULAR[dataset]
        edges = tuple(width * k for k in range(radii + 1))
        layers = dict.fromkeys(range(_LAYERS), (edges, angles))
    else:
        layers = _PHOTONS if dataset == "photons_1" else _PIONS
    names = ("layer", "angle", "radius", "x", "y", "z", "edge")
    found: dict[str, list[Any]] = {name: [] for name in names}
    for layer, (edges, angles) in layers.items():
        middle = (np.array(edges[1:]) + np.array(edges[:-1])) / 2
        angle, radius = (one.ravel() for one in np.indices((angles, len(middle))))
        phi, r = (angle + 0.5) * 2 * np.pi / angles - np.pi, middle[radius]
        z = (layer + 0.5) * _DEPTH if dataset in _REGULAR else float(layer)
        rows = {"layer": np.full(len(r), layer), "angle": angle, "radius": radius}
        rows |= {"x": r * np.cos(phi), "y": r * np.sin(phi), "z": np.full(len(r), z)}
        for name, values in (rows | {"edge": np.array(edges[1:])[radius]}).items():
            found[name].append(values)
    return {name: np.concatenate(values) for name, values in found.items()}
