"""Volumes: grids of cells in three dimensions, such as showers in a calorimeter."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod
from typing import Annotated, Literal

import awkward as ak
import numpy as np
from pydantic import Field

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Finite, Pixels, Positive
from bunchtrain.physics.packed import Floats, jet_index
from bunchtrain.representations._packed import Normalise
from bunchtrain.representations._representation import Size
from bunchtrain.representations.preprocessing.fixed_arrays import fixed_arrays
from bunchtrain.representations.preprocessing.points import Points, required_columns
from bunchtrain.representations.table import Conditional, columns_of
from bunchtrain.tables.expressions.expression import Expression

#: What to do about a column of another shape.
ADVICE = "set 'shape' of the representation to (layers, rows, columns) of the column"
Triple = Annotated[list[str], Field(min_length=3, max_length=3)]


class Volume(Conditional):
    """Cells of a detector: `volume` (batch, channel, layer, row, column).

    The cells are columns of arrays, or sums over hits:

        V_c(l, r, s) = Σ_i value_c(i) over the hits i with coordinates in that cell.

    Hits outside the ranges are left out, unless `outside` puts them into the cell at the edge: the
    sum of the cells is that of the hits then. The inverse gives arrays of the cells, `hit_energy`
    of the values `energy` of a group `hit`; the places of hits within a cell are lost.

    shape        number of layers, rows and columns.
    cells        expressions of arrays of this shape, or of flat lists, columns fastest; one a
                 channel.
    group        prefix of the columns of the hits, in place of `cells`.
    coordinates  expressions over hits for layer, row and column.
    ranges       lowest and highest value of each coordinate, over which its cells are equal.
    values       expressions over hits that are summed in each cell; one a channel.
    outside      what becomes of hits outside the ranges: drop, or edge.
    scale        ln(1 + V / scale) in place of V, for energies of many orders of magnitude; values
                 from −scale on.
    condition    expressions that a density or a generator is conditional on.

    arXiv:1705.02355
    """

    def __init__(
        self,
        *,
        shape: tuple[Pixels, Pixels, Pixels],
        cells: list[str] | None = None,
        group: str | None = None,
        coordinates: Triple | None = None,
        ranges: list[tuple[Finite, Finite]] | None = None,
        values: list[str] = ["energy"],  # noqa: B006 - never changed
        outside: Literal["drop", "edge"] = "drop",
        scale: Positive | None = None,
        condition: list[str] | None = None,
        normalise: Normalise = "none",
    ) -> None:
        if bool(cells) == (group is not None):
            raise StudyError("a volume needs 'cells', columns of arrays, or the 'group' of hits")
        if group is not None and not (coordinates and ranges and values):
            raise StudyError(
                f"a volume of the hits '{group}' needs 'coordinates' and 'ranges', three each for "
                "layers, rows and columns, and 'values'"
            )
        self.shape, self.group = shape, group
        self.cells = [Expression(text) for text in cells or []]
        self.coordinates = [Expression(text) for text in coordinates or []]
        self.values = [Expression(text) for text in values]
        self.ranges, self.outside = ranges or [], outside
        if group is not None and (len(self.ranges) != 3 or any(a >= b for a, b in self.ranges)):
            raise StudyError("'ranges' of a volume are three pairs of a lower and a higher value")
        self.scale, self.normalise = scale, normalise
        self.set_condition(condition, "volume")

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads; DataError names the nearest to a missing one."""
        found = columns_of([*self.cells, *self.condition], available)
        if self.group is not None:
            texts = [each.text for each in [*self.coordinates, *self.values]]
            found += required_columns(texts, self.group, available, has_momentum=False)
        return list(dict.fromkeys(found))

    @property
    def channels(self) -> list[str]:
        """Return the columns of the inverse, one a channel."""
        if self.group is None:
            return [each.text for each in self.cells]
        return [f"{self.group}_{each.text}" for each in self.values]

    @property
    def sizes(self) -> dict[str, Size]:
        """Return (channels, layers, rows, columns), and the number of conditions."""
        sizes: dict[str, Size] = {"volume": (len(self.channels), *self.shape)}
        return sizes | {name: len(texts) for name, texts in self.condition_names.items()}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the channels, and the expressions of the condition."""
        return {"volume": self.channels} | self.condition_names

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return `volume` (batch, channel, layer, row, column), NaN for an event with NaN.

        Raises DataError, naming the entry, if a column has another shape.
        """
        if self.group is None:
            found = [fixed_arrays(each, events, self.shape, ADVICE) for each in self.cells]
        else:
            found = self._sums(Points(events, self.group, has_momentum=False))
        volume = np.stack(found, 1)
        if self.scale is not None:
            with np.errstate(all="ignore"):  # NaN below −scale is for `check_finite`
                volume = np.log1p(volume / self.scale)
        return self.with_condition("volume", volume, events)

    def decode(self, tensors: Mapping[str, Array]) -> ak.Array:
        """Return an array (layer, row, column) for each channel, and the conditions if given."""
        volume = tensors["volume"]
        if self.scale is not None:
            volume = self.scale * np.expm1(volume)
        found = map(ak.from_numpy, np.moveaxis(volume, 1, 0))
        columns = dict(zip(self.channels, found, strict=True))
        return ak.Array(columns | self.decode_condition(tensors))

    def _sums(self, hits: Points) -> list[Floats]:
        """Return Σ value of the hits in each cell, (batch, layer, row, column) of each channel."""
        places = hits.table(self.coordinates).astype(np.float64)
        values = hits.table(self.values).astype(np.float64)
        invalid = ~np.isfinite(np.concatenate([places, values], 1)).all(1, keepdims=True)[:, 0]
        low, high = np.array(self.ranges).T
        index = np.floor(
            (np.where(invalid[:, None], low, places) - low) / (high - low) * self.shape
        )
        if self.outside == "edge":
            index = np.clip(index, 0, np.array(self.shape) - 1)
        inside = ((index >= 0) & (index < self.shape)).all(1) & ~invalid
        event = jet_index(hits.lengths)
        axes = (event[inside], *index[inside].astype(np.int64).T)
        batch = (len(hits.lengths), *self.shape)
        cell = np.ravel_multi_index(axes, batch) if inside.any() else np.zeros(0, np.int64)
        found = []
        for value in values[inside].T:
            sums = np.bincount(cell, value, prod(batch)).astype(np.float32).reshape(batch)
            sums[np.unique(event[invalid])] = np.nan
            found.append(sums)
        return found
