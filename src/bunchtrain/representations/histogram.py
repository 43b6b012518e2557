"""Histograms of an event, such as those of data-quality monitoring."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from math import prod

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import DataError, StudyError
from bunchtrain.parts.ranges import Bins, Edges
from bunchtrain.physics.packed import Floats
from bunchtrain.representations._packed import Normalise
from bunchtrain.representations._representation import Size
from bunchtrain.representations.preprocessing.fixed_arrays import fixed_arrays
from bunchtrain.representations.table import Conditional, columns_of
from bunchtrain.tables.expressions.expression import Expression, require_numbers

#: What to do about a histogram of another size.
ADVICE = "set 'bins' of the representation to the bins of the column"


class Histogram(Conditional):
    """Bins of one or several histograms: `table`, or in two dimensions `image`.

    The tensor of n histograms of one dimension is `table` (batch, n × bins), of two dimensions
    `image` (batch, n, row, column). A column holds the contents of the bins without under- and
    overflow, as lists or as one flat list, the last axis fastest; or `edges` count the items of a
    list. The inverse gives the contents after `rebin` and `unit`.

    features     expressions that give the contents of the bins, e.g. `charge`.
    bins         number of bins of each of these, in two dimensions [rows, columns].
    edges        expression of a list of values → edges of the bins in which they are counted, the
                 last one included: {hit_energy: [0, 1, 2, 5]}.
    overflow     count values outside the edges in the outermost bins; else they are left out.
    rebin        number of neighbours along each axis that are summed.
    unit         divide each histogram by its total, which becomes 1; an empty one stays 0.
    square_root  √ of each bin: that of a Poisson distributed content has the standard deviation ½,
                 whatever its mean (Bartlett, 1936).
    condition    expressions that a density or a generator is conditional on.
    """

    def __init__(
        self,
        *,
        features: list[str] = [],  # noqa: B006 - never changed
        bins: Bins | tuple[Bins, Bins] | None = None,
        edges: dict[str, Edges] | None = None,
        overflow: bool = False,
        rebin: Bins = 1,
        unit: bool = False,
        square_root: bool = False,
        condition: list[str] | None = None,
        normalise: Normalise = "standard",
    ) -> None:
        if not features and not edges:
            raise StudyError("a histogram needs 'features' with 'bins', or 'edges' of lists")
        if bool(features) != (bins is not None):
            raise StudyError("'features' and 'bins' of a histogram belong together; give both")
        if edges and isinstance(bins, tuple):
            raise StudyError("'edges' make histograms of one dimension; leave out those of two")
        self.features = [Expression(text) for text in features]
        self.edges = {Expression(text): np.asarray(e, float) for text, e in (edges or {}).items()}
        self.shape: tuple[int, ...] = bins if isinstance(bins, tuple) else (bins,) if bins else ()
        self.rebin, self.unit, self.square_root = rebin, unit, square_root
        self.overflow, self.normalise = overflow, normalise
        self.tensor = "image" if isinstance(bins, tuple) else "table"
        for count in [*self.shape, *(len(one) - 1 for one in self.edges.values())]:
            if count % rebin:
                raise StudyError(f"'rebin': {rebin} is no divisor of the {count} bins")
        self.set_condition(condition, self.tensor)

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that the expressions read."""
        return columns_of([*self.features, *self.edges, *self.condition], available)

    @property
    def shapes(self) -> dict[str, tuple[int, ...]]:
        """Return expression → bins along each axis after `rebin`."""
        found = {each.text: tuple(n // self.rebin for n in self.shape) for each in self.features}
        return found | {e.text: ((len(x) - 1) // self.rebin,) for e, x in self.edges.items()}

    @property
    def sizes(self) -> dict[str, Size]:
        """Return the number of all bins or (histograms, rows, columns), and of the conditions."""
        shapes = list(self.shapes.values())
        of_image: Size = (len(shapes), *shapes[0])
        of_table: Size = sum(map(prod, shapes))
        size = of_image if self.tensor == "image" else of_table
        return {self.tensor: size} | {k: len(v) for k, v in self.condition_names.items()}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the histograms with the index of the bin, `charge [0]`, without it of images."""
        if self.tensor == "image":
            return {"image": list(self.shapes)} | self.condition_names
        bins = [f"{name} [{k}]" for name, shape in self.shapes.items() for k in range(shape[0])]
        return {"table": bins} | self.condition_names

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return `table` (batch, bins) or `image` (batch, histogram, row, column).

        Raises DataError, naming the entry, if a column has another number of bins.
        """
        found = [fixed_arrays(each, events, self.shape, ADVICE) for each in self.features]
        found += [self._count(each, edges, events) for each, edges in self.edges.items()]
        contents = [self._prepare(each) for each in found]
        joined = np.stack(contents, 1) if self.tensor == "image" else np.concatenate(contents, 1)
        return self.with_condition(self.tensor, joined, events)

    def decode(self, tensors: Mapping[str, Array]) -> ak.Array:
        """Return a column of arrays for each histogram, and the conditions if they are given."""
        values = tensors[self.tensor]
        if self.square_root:
            values = np.maximum(values, 0) ** 2
        if self.tensor == "image":
            found = list(np.moveaxis(values, 1, 0))
        else:
            ends = np.cumsum([shape[0] for shape in self.shapes.values()])
            found = np.split(values, ends[:-1], axis=1)
        columns = dict(zip(self.shapes, map(ak.from_numpy, found), strict=True))
        return ak.Array(columns | self.decode_condition(tensors))

    def _prepare(self, contents: Floats) -> Floats:
        """Return contents (batch, *bins) after `rebin`, `unit` and `square_root`."""
        for axis in range(1, contents.ndim) if self.rebin > 1 else ():
            count = contents.shape[axis] // self.rebin
            split = (*contents.shape[:axis], count, self.rebin, *contents.shape[axis + 1 :])
            contents = contents.reshape(split).sum(axis + 1)
        if self.unit:
            axes = tuple(range(1, contents.ndim))
            total = contents.sum(axes, keepdims=True)
            contents = contents / np.where(total == 0, 1, total)
        if self.square_root:
            with np.errstate(invalid="ignore"):  # NaN of negative ones is for `check_finite`
                contents = np.sqrt(contents)
        return contents

    def _count(self, expression: Expression, edges: Array, events: ak.Array) -> Floats:
        """Return how many items of each event lie in each bin, (batch, bin); NaN for those of NaN.

        Raises DataError if the expression gives no lists.
        """
        values = expression(events)
        require_numbers(values, expression.text)
        if values.ndim != 2:
            raise DataError(
                f"'{expression.text}' in 'edges' must give a list of numbers for each event"
            )
        bins = len(edges) - 1
        event = np.repeat(np.arange(len(values)), ak.to_numpy(ak.num(values)))
        items = np.asarray(ak.to_numpy(ak.flatten(values)), np.float64)
        index = np.searchsorted(edges, items, side="right") - 1
        index[items == edges[-1]] = bins - 1
        if self.overflow:
            index = np.clip(index, 0, bins - 1)
        inside = (index >= 0) & (index < bins)
        counts = np.bincount((event * bins + index)[inside], minlength=len(values) * bins)
        contents = counts.reshape(len(values), bins).astype(np.float32)
        contents[np.unique(event[np.isnan(items)])] = np.nan
        return contents
