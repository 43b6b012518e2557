"""The outlines of modules, layers or cells, from the geometry that travels with a table."""

from __future__ import annotations

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.displays.encoding import encode
from bunchtrain.displays.reading import Event

Floats = NDArray[np.float64]
#: Largest number of outlines in a display.
MAX_OUTLINES = 600
#: Columns of a geometry with the lengths of a row along x and y in mm.
WIDTH, HEIGHT = "width", "height"


def outlines(event: Event) -> dict[str, list[str]]:
    """Return the paths of modules for the views in space, (x, y) and (z, r); none if unknown.

    A row of the geometry with a `width` is a rectangle of `width` × `height` around (x, y, z), or
    for the shape `ring` a circle of this diameter around the axis; `thickness` is left out.
    """
    found: dict[str, list[str]] = {"space": [], "xy": [], "rz": []}
    table = event.geometry
    if table is None or "z" not in table.fields or WIDTH not in table.fields:
        return found
    z = ak.to_numpy(table["z"])
    width = ak.to_numpy(table[WIDTH])
    height = ak.to_numpy(table[HEIGHT]) if HEIGHT in table.fields else width
    x, y = (ak.to_numpy(table[a]) if a in table.fields else np.zeros(len(z)) for a in "xy")
    shapes = table["shape"].to_list() if "shape" in table.fields else [""] * len(z)
    step = max(1, -(-len(z) // MAX_OUTLINES))
    seen = set[tuple[float, ...]]()
    for row in range(0, len(z), step):
        if not np.isfinite([z[row], width[row], height[row]]).all():
            continue
        u, v = _path(shapes[row], width[row], height[row])
        u, v = u + x[row], v + y[row]
        found["space"].append(encode(np.stack([np.full(len(u), z[row]), v, u], 1).ravel()))
        footprint = (x[row], y[row], width[row], height[row])
        if footprint not in seen:
            seen.add(footprint)
            found["xy"].append(encode(np.stack([u, v], 1).ravel()))
        reach = np.hypot(u, v).max()
        low, high = (-reach, reach) if np.ptp(np.sign(v)) else (0.0, np.sign(v[0]) * reach)
        found["rz"].append(encode([z[row], low, z[row], high]))
    return found


def _path(shape: str, width: float, height: float) -> tuple[Floats, Floats]:
    if shape == "ring":
        turn = np.linspace(0, 2 * np.pi, 49)
        return width / 2 * np.cos(turn), height / 2 * np.sin(turn)
    corners = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1], [-1, -1]], float)
    return corners[:, 0] * width / 2, corners[:, 1] * height / 2
