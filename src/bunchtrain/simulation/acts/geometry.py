"""The modules of ACTS' generic detector as a table; `main` is run in a child process.

ACTS writes its detector in the format of TrackML: middle, rotation and bounds of each module. The
table has the box along x, y and z around each of them, the directions of its two local axes, and
the radiation lengths of the module with the material of its layer.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.csv
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bunchtrain.files import atomic_path
from bunchtrain.tables.geometry import surface_number

Floats = NDArray[np.float64]


def boxes(modules: pa.Table) -> pa.Table:
    """Return the modules of a file of ACTS in the schema of `tables.geometry`.

    The extent along a global axis is 2 (|r_u| h_u + |r_v| h_v + |r_w| t/2), of the rotation r, half
    of the sides h_u and h_v of the rectangle or around the trapezoid, and the thickness t.
    """
    read = {name: modules[name].to_numpy() for name in modules.column_names}
    half = np.stack([*_half_sides(modules), read["module_t"] / 2])  # (3, modules)
    found = {n: read[f"{n}_id"].astype(np.int64) for n in ("volume", "layer", "module")}
    columns = {"surface": surface_number(*found.values()), **found}
    columns |= {axis: read[f"c{axis}"] for axis in "xyz"}
    for name, axis in zip(("width", "height", "thickness"), "xyz", strict=True):
        rotation = np.abs(np.stack([read[f"rot_{axis}{local}"] for local in "uvw"]))
        columns[name] = 2 * (rotation * half).sum(axis=0)
    for number, local in enumerate("uv"):
        columns |= {f"axis{number}_{x}": read[f"rot_{x}{local}"].astype(float) for x in "xyz"}
    return pa.table(columns)


def radiation_lengths(surfaces: Sequence[Any]) -> dict[tuple[int, int], float]:
    """Return (volume, layer) → radiation lengths of the material of a layer and of a module of it.

    surfaces  those of ACTS that have material; the thickness t and x0 are in its text.
    """
    of_layer: dict[tuple[int, int], float] = {}
    of_module: dict[tuple[int, int], float] = {}
    for one in surfaces:
        found = re.search(r"x0=([-\d.e+]+).*\bt=([-\d.e+]+)", one.surfaceMaterial.toString())
        if found is not None:
            key, length = (one.geometryId.volume, one.geometryId.layer), float(found[2])
            kind = of_module if one.isSensitive else of_layer
            kind[key] = length / float(found[1])
    keys = {*of_layer, *of_module}
    return {key: of_layer.get(key, 0.0) + of_module.get(key, 0.0) for key in keys}


def _half_sides(modules: pa.Table) -> tuple[Floats, Floats]:
    """Return half of the sides of the rectangles around the modules along u and v in mm."""
    bounds = np.stack([modules[f"bound_param{k}"].to_numpy() for k in range(4)])
    is_rectangle = bounds[0] < 0  # (−h_u, −h_v, h_u, h_v); a trapezoid has two widths and h_v
    u = np.where(is_rectangle, bounds[2], np.maximum(bounds[0], bounds[1]))
    return u, np.where(is_rectangle, bounds[3], bounds[2])


def main(path: str) -> None:
    """Write the modules of the generic detector into a Parquet file."""
    import acts
    import acts.examples as examples

    detector = examples.GenericDetector()
    with TemporaryDirectory() as folder:
        sequence = examples.Sequencer(events=1, numThreads=1, logLevel=acts.logging.ERROR)
        sequence.addWriter(
            examples.CsvTrackingGeometryWriter(
                level=acts.logging.ERROR,
                trackingGeometry=detector.trackingGeometry(),
                outputDir=folder,
                writeSensitive=True,
            )
        )
        sequence.run()
        found = pa.csv.read_csv(next(Path(folder).glob("detectors*.csv")))
    modules = found.filter(pc.field("module_id") > 0)  # others are the surfaces of layers
    lengths = radiation_lengths(detector.trackingGeometry().extractMaterialSurfaces())
    table = boxes(modules)
    places = zip(table["volume"].to_pylist(), table["layer"].to_pylist(), strict=True)
    table = table.append_column("radiation_lengths", pa.array([lengths[key] for key in places]))
    with atomic_path(Path(path)) as temporary:
        pq.write_table(table, temporary)


if __name__ == "__main__":
    main(sys.argv[1])
