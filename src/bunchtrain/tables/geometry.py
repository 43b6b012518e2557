"""The geometry of a detector as a small table that travels with its events.

It is the condition `geometry`: one row for each module, layer or sensor, by one key column that the
hits have as well (`layer`, `module`, `surface`, `sensor`). Columns, as far as they are known:

* `x`, `y`, `z` of the middle in mm (0 where x or y is missing), `layer`,
* `width` along x, `height` along y (as the width where it is missing), `thickness` along z in mm,
* `shape`: `ring` is a circle of this width around the axis, all others a rectangle,
* more columns of the detector, such as `material` and `radiation_lengths`.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.arrays import Condition

#: Columns of lengths in mm.
LENGTHS = ("x", "y", "z", "width", "height", "thickness")


class Geometry(Condition):
    """A condition with one row for each module, layer or sensor.

    columns  name → values (rows,), `z` among them.
    key      the column that hits have as well.

    Raises DataError if there is no key or no `z`.
    """

    def __init__(self, columns: Mapping[str, Any], key: str) -> None:
        for name in (key, "z"):
            if name not in columns:
                raise DataError(f"a geometry needs the column '{name}'; it has {list(columns)}")
        super().__init__(columns, (key,), units={n: "mm" for n in LENGTHS if n in columns})


def surface_number(volume: Any, layer: Any, module: Any) -> Any:
    """Return one number for each module of a detector, from those of volume, layer and module."""
    return (volume * 1000 + layer) * 100_000 + module


def extents(modules: NDArray[Any], points: NDArray[Any]) -> Geometry:
    """Return the boxes around the points of each module as a geometry, in the order of the modules.

    modules  (points,) number of the module.
    points   (points, 3) x, y, z in mm.

    The middle along z is the mean of the points, as modules are thin.
    """
    order = np.argsort(modules, kind="stable")
    found, first, count = np.unique(modules[order], return_index=True, return_counts=True)
    sorted_points = points[order].astype(np.float64)
    low, high = (f.reduceat(sorted_points, first) for f in (np.minimum, np.maximum))
    middle, size = (low + high) / 2, high - low
    z = np.add.reduceat(sorted_points[:, 2], first) / count
    columns = {"module": found, "x": middle[:, 0], "y": middle[:, 1], "z": z}
    columns |= {"width": size[:, 0], "height": size[:, 1], "thickness": size[:, 2]}
    return Geometry(columns, "module")
