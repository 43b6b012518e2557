"""Interface of representations: from columns of events to named arrays."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Mapping
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.batch import Array
from bunchtrain.errors import NotInvertible

#: Size of one row of a tensor: the number of features, or the shape of an image.
Size = int | tuple[int, ...]


class Representation(ABC):
    """Map from blocks of events to tensors, without fitted parameters but those of options.

    group      prefix of the columns of the points.
    features   expressions that are the inputs.
    normalise  `standard`: mean and standard deviation; `robust`: median and quartiles.
    """

    #: "standard" (mean, standard deviation), "robust" (median, quartiles) or "none".
    normalise: str = "standard"
    #: The tensors whose columns are normalised.
    normalised: tuple[str, ...] = ()
    #: Why it has no inverse, for the message of `NotInvertible`.
    no_inverse: str = "its tensors do not determine the columns"

    @abstractmethod
    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads, of those available.

        Raises DataError, naming the nearest, if one is missing.
        """

    @property
    @abstractmethod
    def sizes(self) -> dict[str, Size]:
        """Return tensor name → size of one row, `{"features": 7, "coordinates": 2, "lengths": ()}`.

        All tensors are listed; the size of `edges` is 2, for the two points of an edge.
        """

    @property
    @abstractmethod
    def names(self) -> dict[str, list[str]]:
        """Return tensor name → the names of its columns, for plots, messages and exports."""

    @abstractmethod
    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return the tensors of a block of events, named as in `Batch.inputs`."""

    @property
    def embedding(self) -> tuple[int, int] | None:
        """Return the number of indices in the tensor `words` and the size of their vectors.

        A network learns the vectors, which are its `features`; None without such a tensor.
        """
        return None

    def columns_of_condition(self, available: Collection[str]) -> list[str]:
        """Return the columns that the tensor `condition` is made of, none without one."""
        return []

    def encode_condition(self, events: ak.Array) -> Array:
        """Return the tensor `condition` (batch, condition) of events."""
        return self(events)["condition"]

    def decode(self, tensors: Mapping[str, Array]) -> ak.Array:
        """Return the columns of events from their tensors, the inverse of `__call__`.

        A column has the name of its expression, `log(jet_pt)`, that of a point also the prefix of
        the group, `hit_x`. Values have single precision; what a representation leaves out, such as
        points beyond a maximum, stays left out. `docs/how_to/representations.md` lists the columns
        of each representation. Raises NotInvertible, with the reason, if there is no inverse.
        """
        name = type(self).__module__.rpartition(".")[2]
        raise NotInvertible(
            f"representation '{name}' has no inverse, so that events cannot be generated with it: "
            f"{self.no_inverse}; use 'table'"
        )


class FittedRepresentation(Representation):
    """A representation some of whose options are fitted to the training events."""

    @property
    @abstractmethod
    def is_fitted(self) -> bool:
        """Whether these options are given."""

    @abstractmethod
    def fit(self, blocks: Iterable[ak.Array]) -> dict[str, Any]:
        """Return the fitted options from blocks of training events, read once."""


class PointRepresentation(Representation):
    """A representation with points, each of which is one item of a group of columns."""

    group: str

    @abstractmethod
    def point_index(self, events: ak.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return which items of the group the points are, and the count of items of each event.

        The first, (points,), indexes the items of all events of the block, concatenated, and is in
        the order of the tensors; the second is (events,).
        """

    def edge_index(self, events: ak.Array) -> tuple[NDArray[np.int64], NDArray[np.int64]] | None:
        """Return which edges of the data the edges are, and the count of these of each event.

        As `point_index`; None where the representation makes the edges itself.
        """
        return None

    def edge_ends(self, events: ak.Array) -> tuple[ak.Array, ak.Array]:
        """Return the indices of both points of all edges of the data, as lists of the events."""
        raise NotImplementedError

    #: Whether the edges are those of the data, so that they have columns.
    has_edge_columns: bool = False


class ImageRepresentation(Representation):
    """A representation whose tensor `image` is a regular grid (channel, row, column)."""

    #: Axis labels of columns and rows.
    axes: tuple[str, str]

    def decode(self, tensors: Mapping[str, Array]) -> ak.Array:
        """Return the pixels of each channel, a column `image_CHANNEL` of (row, column) arrays.

        The points themselves, their axis and, with `unit`, their total are not in the pixels.
        """
        channels = zip(self.names["image"], np.moveaxis(tensors["image"], 1, 0), strict=True)
        return ak.Array({f"image_{name}": ak.from_numpy(values) for name, values in channels})

    @property
    @abstractmethod
    def extent(self) -> tuple[float, float, float, float]:
        """Return the ends of the image along columns and rows: left, right, lower, upper."""
