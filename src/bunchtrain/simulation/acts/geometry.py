"""The modules of ACTS' generic detector as a table; `main` is run in a child process.

ACTS writes its detector in the format of TrackML: middle, rotation and bounds of each module. The
table has the box along x, y and z around each of them, and the directions of its two local axes.
"""

from __future__ import annotations

import sys
from pathlib import Path
from tempfile import TemporaryDirectory

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
    with atomic_path(Path(path)) as temporary:
        pq.write_table(boxes(modules), temporary)


if __name__ == "__main__":
    main(sys.argv[1])
