"""Hits of a calorimeter in the cells of another geometry, with the same energy."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from typing import Annotated

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain.parts.ranges import NUMBER
from bunchtrain.simulation.detectors.cells import Cells, Ints
from bunchtrain.simulation.detectors.hits import LAYOUT, cell_columns, sum_steps
from bunchtrain.simulation.detectors.layers import (
    Floats,
    Length,
    Position,
    Sections,
    Stack,
    plain,
)
from bunchtrain.tables.table import Table
from bunchtrain.tables.transforms._transform import Transform, need_columns

#: Columns of the hits that are made anew, and those that are read.
MADE = {name: type for name, type in LAYOUT.items() if name.startswith("hit_")}
READ = (
    *("hit_x", "hit_y", "hit_z", "hit_energy", "hit_time"),
    *("hit_deposit_particle", "hit_deposit_energy"),
)


class Regrid(Transform):
    """The same showers in other cells: towers, hexagons, deeper or larger cells.

    Every deposit goes to the cell around its hit in the layer whose middle is nearest in z, or to
    the cells around `points`² points that are spread evenly over the cell of its hit. The energy of
    an event stays the same, to rounding. Columns `hit_*` are those of `geant4_calorimeter`, other
    columns are kept, and the conditions `geometry` are the new layers.

    layers  Sections of layers along z, as of `geant4_calorimeter`; those without `cell` matter for
            the places of the others only.
    width   Width of all layers in x and y in mm.
    apex    z of the point to which projective cells point, in mm.
    spread  Side of the square over which the energy of a hit is spread, in mm.
    points  Points along each side of it; 1 for the middle alone.

    Raises DataError for hits outside the new layers and tables without these columns.
    """

    def __init__(
        self,
        source: Table,
        *,
        layers: Sections,
        width: Length = 400.0,
        apex: Position = -1000.0,
        spread: Length = 1.0,
        points: Annotated[int, Field(ge=1, le=20), NUMBER] = 1,
    ) -> None:
        super().__init__(source)
        need_columns(READ, source.fields(), "transform 'regrid'")
        self.stack = Stack(layers, width, apex)
        self.cells = Cells(self.stack)
        self.spread, self.points = spread, points
        self.recipe = [plain(layers), width, apex, spread, points]

    def describe(self) -> str:
        """Return the transform with its options as text."""
        return f"regrid {self.recipe}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        kept = {n: t for n, t in self.source.fields().items() if not n.startswith("hit_")}
        return kept | MADE

    @property
    def conditions(self) -> Mapping[str, Table]:
        """Those of the source with the new layers."""
        return {**self.source.conditions, "geometry": self.stack.table()}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the events with their hits in the new cells."""
        others = [name for name in columns if name not in MADE]
        for block in self.source.blocks([*others, *READ], rows):
            found = {name: block[name] for name in others}
            if len(others) < len(columns):
                made = self._hits(block)
                for name in set(columns) - set(others):
                    kind = MADE[name].rpartition(" ")[2]
                    found[name] = ak.values_astype(made[name], kind)
            yield ak.zip(found, depth_limit=1)[list(columns)]

    def _hits(self, block: ak.Array) -> dict[str, ak.Array]:
        """Return the columns of the hits of events."""
        events = len(block)
        deposits = ak.to_numpy(ak.flatten(ak.num(block.hit_deposit_energy, axis=2)))
        event = np.repeat(np.repeat(np.arange(events), ak.num(block.hit_x)), deposits)
        flat = {n: _flat(block[f"hit_{n}"])[_owner(deposits)] for n in ("x", "y", "z", "time")}
        energy = _flat(block.hit_deposit_energy)
        index = ak.to_numpy(ak.flatten(block.hit_deposit_particle, axis=None)).astype(np.int64)
        middles = self.stack.middles
        order = np.argsort(middles)
        between = (middles[order][1:] + middles[order][:-1]) / 2
        layer = order[np.searchsorted(between, flat["z"])]
        n = self.points
        offset = (np.arange(n) - (n - 1) / 2) * self.spread / n
        dx, dy = (one.ravel() for one in np.meshgrid(offset, offset))
        half = self.stack.width / 2
        x, y = _spread(flat["x"], dx, half), _spread(flat["y"], dy, half)
        many = {"event": event, "layer": layer, "index": index, "time": flat["time"]}
        many = {name: np.repeat(values, n * n) for name, values in many.items()}
        z = middles[many["layer"]]
        cell = self.cells.index(many["layer"], x, y, z)
        most = int(index.max(initial=-1)) + 2
        key = many["event"] * most + many["index"] + 1  # −1 is a particle as well
        found = sum_steps(key, cell, np.repeat(energy / n**2, n * n), many["time"])
        own = found.particle // most, found.particle % most - 1
        return cell_columns(*own, found, self.cells, events)


def _flat(values: ak.Array) -> Floats:
    return np.asarray(ak.flatten(values, axis=None), np.float64)


def _owner(deposits: Ints) -> Ints:
    """Return the hit of each deposit, of the numbers of deposits of the hits."""
    return np.repeat(np.arange(len(deposits)), deposits)


def _spread(middle: Floats, offset: Floats, half: float) -> Floats:
    """Return points around middles; those of a middle within the detector stay within it."""
    points = middle[:, None] + offset
    inside = np.abs(middle)[:, None] <= half
    return np.asarray(np.where(inside, np.clip(points, -half, half), points).ravel())
