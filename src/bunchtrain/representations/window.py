"""Windows of a series as tensors: features in columns of time."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Steps
from bunchtrain.representations._representation import Representation, Size
from bunchtrain.representations.preprocessing.fixed_arrays import fixed_arrays
from bunchtrain.representations.table import columns_of
from bunchtrain.tables.expressions.expression import Expression

#: What to do about a list of another length.
ADVICE = "set 'length' of the representation to that of 'windows'"


class Window(Representation):
    """Tensor `window` (feature, time) of lists of equal length, such as those of `windows`.

    features   expressions that give a list for each row, e.g. `window_current`.
    length     items of each list; the `length` of the study's `windows`.
    normalise  `common`: the mean of each value, and one scale for all, for values of one unit, such
               as samples of a pulse: those in which it is 0 would else weigh as much as its peak.
    """

    normalised = ("window",)

    def __init__(
        self,
        *,
        features: list[str],
        length: Steps,
        normalise: Literal["standard", "common", "robust", "none"] = "standard",
    ) -> None:
        if not features:
            raise StudyError("a window needs at least one of 'features', e.g. 'window_current'")
        self.features = [Expression(text) for text in features]
        self.length, self.normalise = length, normalise

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that the expressions read."""
        return columns_of(self.features, available)

    @property
    def sizes(self) -> dict[str, Size]:
        """Return features and times."""
        return {"window": (len(self.features), self.length)}

    @property
    def names(self) -> dict[str, list[str]]:
        """Return the expressions."""
        return {"window": [each.text for each in self.features]}

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return `window` (batch, feature, time).

        Raises DataError if a list has another length.
        """
        shape = (self.length,)
        columns = [fixed_arrays(each, events, shape, ADVICE) for each in self.features]
        return {"window": np.stack(columns, axis=1)}

    def decode(self, tensors: Mapping[str, Array]) -> ak.Array:
        """Return the features as columns of lists, (batch, time) each."""
        columns = zip(self.names["window"], np.moveaxis(tensors["window"], 1, 0), strict=True)
        return ak.Array({name: ak.from_regular(values) for name, values in columns})
