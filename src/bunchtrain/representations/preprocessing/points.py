"""Flat points of a block of events, and the names that expressions over points may use."""

from __future__ import annotations

from collections.abc import Collection, Iterable
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError, nearest
from bunchtrain.physics.kinematics import wrap_angle
from bunchtrain.physics.packed import Flags, Floats, Ints, sum_by_jet
from bunchtrain.representations.preprocessing.group import Group, find_group
from bunchtrain.representations.preprocessing.momentum import Momentum, momentum_from_array
from bunchtrain.tables.column_types import kind
from bunchtrain.tables.expressions.expression import Expression, require_numbers

#: Computed for every point from its momentum and from that of the jet.
DERIVED = ("pt", "eta", "phi", "energy", "mass", "px", "py", "pz", "deta", "dphi", "dr")
JET = ("jet_pt", "jet_eta", "jet_phi", "jet_energy", "jet_mass")


def required_columns(
    texts: Iterable[str],
    group: str,
    available: Collection[str],
    jet: str | None = None,
    *,
    has_momentum: bool = True,
) -> list[str]:
    """Return the columns that expressions over the points of a group read.

    Raises DataError, naming the nearest, if one is missing.
    """
    points = find_group(group, available, has_momentum=has_momentum)
    columns = dict.fromkeys(points.momentum.values())
    if jet is not None:
        columns |= dict.fromkeys(find_group(jet, available).momentum.values())
    for text in texts:
        derived = {*DERIVED, *JET} if has_momentum else set()
        for name in sorted(Expression(text).columns - derived):
            columns[_column(name, points, available, text)] = None
    return list(columns)


def _column(name: str, group: Group, available: Collection[str], text: str) -> str:
    if name in group.members:
        return group.members[name]
    if name in available:
        return name
    known = nearest(name, {*DERIVED, *JET, *group.members, *available})
    raise DataError(
        f"'{name}' in '{text}' is neither a column of the group '{group.prefix}' nor of the "
        f"events{known}"
    )


class Points:
    """The points of one group in a block of events.

    `points["deta"]` is (points,) float32; names are computed at first access:
    `pt eta phi energy mass px py pz` in GeV and rad; `deta dphi dr` relative to the jet axis;
    `jet_pt jet_eta jet_phi jet_energy jet_mass` of the jet, which is the sum of the points or is
    given by the columns `jet_…`; the other columns of the group by their suffix; the columns of
    the events by their name.
    """

    def __init__(
        self, events: ak.Array, group: str, jet: str | None = None, *, has_momentum: bool = True
    ) -> None:
        self.events = events
        self.group = find_group(group, events.fields, has_momentum=has_momentum)
        self.lengths = self._lengths()
        self.momentum = Momentum(
            {name: self._flat(column) for name, column in self.group.momentum.items()}
        )
        self._prefix = jet
        self._values: dict[str, Floats] = {}

    def _lengths(self) -> Ints:
        columns = [*self.group.momentum.values(), *self.group.members.values()]
        if not self.group.momentum:
            columns = [name for name in columns if self.events[name].ndim == 2]
        column = self.events[columns[0]] if columns else None
        if column is None or column.ndim != 2:
            raise DataError(
                f"the columns of the group '{self.group.prefix}' hold one value per event and not "
                "a list; name a group of lists"
            )
        return np.asarray(ak.to_numpy(ak.num(column)), dtype=np.int64)

    def _flat(self, column: str, dtype: type[np.floating[Any]] = np.float32) -> Floats:
        values = self.events[column]
        if values.ndim == 1:
            return np.repeat(_array(values, dtype), self.lengths)
        counts = ak.to_numpy(ak.num(values))
        if (wrong := np.flatnonzero(counts != self.lengths)).size:
            row = int(wrong[0])
            raise DataError(
                f"entry {entry_of(self.events, row)}: column '{column}' has {counts[row]} values "
                f"where the group '{self.group.prefix}' has {self.lengths[row]}; use columns of "
                "that group, of lists that are equally long in each event"
            )
        return _array(ak.flatten(values), dtype)

    def precise_momenta(self) -> Floats:
        """Return (E, px, py, pz) in double precision, (points, 4).

        In single precision a massless particle gets a mass of about 3·10⁻⁴ E by rounding.
        """
        columns = self.group.momentum.items()
        return Momentum({name: self._flat(one, np.float64) for name, one in columns}).stack()

    @cached_property
    def jet(self) -> Momentum:
        """The jets' momenta, (events,) float64."""
        if self._prefix is None:
            return momentum_from_array(sum_by_jet(self.momentum.stack(), self.lengths))
        columns = find_group(self._prefix, self.events.fields).momentum
        given = {name: _array(self.events[column]) for name, column in columns.items()}
        return Momentum({name: value.astype(np.float64) for name, value in given.items()})

    def __getitem__(self, name: str) -> Floats:
        if self.group.momentum and name in self.momentum:
            return self.momentum[name]
        if name not in self._values:
            with np.errstate(all="ignore"):  # `finite` checks for NaN and infinity
                self._values[name] = self._compute(name)
        return self._values[name]

    def _compute(self, name: str) -> Floats:
        if not self.group.momentum:
            return self._flat(self.group.members.get(name, name))
        if name in JET:
            own = self.jet[name.removeprefix("jet_")].astype(np.float32)
            return np.repeat(own, self.lengths)
        if name == "deta":
            return self["eta"] - self["jet_eta"]
        if name == "dphi":
            return wrap_angle(self["phi"] - self["jet_phi"])
        if name == "dr":
            return np.hypot(self["deta"], self["dphi"])
        return self._flat(self.group.members.get(name, name))

    def replace(self, name: str, value: Floats) -> None:
        """Replace the value (points,) of a name, also in everything computed from it later."""
        self._values[name] = value

    def evaluate(self, expression: Expression) -> Floats:
        """Return the value of an expression for every point: (points,) float32."""
        if expression.columns == {expression.text}:
            own = self[expression.text]
            if own.dtype == np.float32:
                return own
        names = sorted(expression.columns) or [next(iter(self.group.members))]
        found = expression(ak.zip({name: self[name] for name in names}))
        require_numbers(found, expression.text)
        return _array(found)

    def are_finite(self) -> Flags:
        """Return which events have finite momenta only: (events,) bool."""
        finite = np.isfinite(self.momentum.stack()).all(axis=1)
        return np.asarray(sum_by_jet(np.logical_not(finite), self.lengths) == 0)

    def table(self, expressions: Iterable[Expression]) -> Floats:
        """Return the values of several expressions: (points, expressions) float32."""
        return np.stack([self.evaluate(expression) for expression in expressions], axis=1)


def entry_of(events: ak.Array, row: int) -> int:
    """Return the entry of a row in the source, for messages."""
    return int(events["entry"][row]) if "entry" in events.fields else row


def _array(values: ak.Array, dtype: type[np.floating[Any]] = np.float32) -> Floats:
    if kind(values) == "text":  # for comparisons in expressions
        return np.asarray(ak.to_numpy(values))
    return np.asarray(ak.to_numpy(values), dtype=dtype)
