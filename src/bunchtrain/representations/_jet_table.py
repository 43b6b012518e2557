"""Base of representations by observables of each jet: features, polynomials, bases."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Collection

import awkward as ak
import numpy as np

from bunchtrain.batch import Array
from bunchtrain.physics.packed import Floats, Ints, sum_by_jet
from bunchtrain.representations._packed import Normalise
from bunchtrain.representations.preprocessing.observable_cache import cached_observable
from bunchtrain.representations.preprocessing.points import Points, required_columns
from bunchtrain.representations.table import ConditionalTable, columns_of
from bunchtrain.tables.expressions.expression import Expression

#: Incremented when the same options give different observables.
VERSION = 3


class JetTable(ConditionalTable):
    """`table` of observables computed from the momenta of the points of each jet."""

    def __init__(
        self,
        group: str,
        where: str | None,
        memory: int,
        normalise: Normalise,
        condition: list[str] | None = None,
    ) -> None:
        self.group, self.memory, self.normalise = group, memory, normalise
        self.where = None if where is None else Expression(where)
        self.set_condition(condition)

    @property
    @abstractmethod
    def observables(self) -> list[str]:
        """Return the names of the observables."""

    @abstractmethod
    def compute(self, momenta: Floats, lengths: Ints) -> Floats:
        """Return the observables (jets, observable) of packed momenta (points, 4), float64."""

    def columns(self, available: Collection[str]) -> list[str]:
        """Return the columns that it reads; DataError names the nearest to a missing one."""
        found = required_columns([self.where.text] if self.where else [], self.group, available)
        return list(dict.fromkeys([*found, *columns_of(self.condition, available)]))

    @property
    def table_names(self) -> list[str]:
        """Return the observables."""
        return self.observables

    def __call__(self, events: ak.Array) -> dict[str, Array]:
        """Return `table` (batch, feature); 0 for a jet without points, NaN for one with NaN."""
        points = Points(events, self.group)
        momenta = points.precise_momenta()
        # a particle without pT has no direction
        chosen = (momenta[:, 1:3] != 0).any(1) & np.isfinite(momenta).all(1)
        if self.where is not None:
            chosen &= points.evaluate(self.where) > 0
        lengths = sum_by_jet(chosen, points.lengths).astype(np.int64)
        table = cached_observable(self._recipe(), momenta[chosen], lengths, self.compute)
        table[~points.are_finite()] = np.nan
        return self.with_condition("table", table, events)

    def _recipe(self) -> str:
        """Return everything except the momenta that the observables depend on."""
        excluded = ("memory", "where", "normalise", "normalised", "condition")
        options = {k: repr(v) for k, v in sorted(vars(self).items()) if k not in excluded}
        return f"{type(self).__qualname__} {VERSION} {options}"
