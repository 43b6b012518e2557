"""The points of an event that a display can draw, recognised by the names of their columns."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.displays.reading import Event
from bunchtrain.tables.momentum_names import find_momentum
from bunchtrain.tables.table import Column

Floats = NDArray[np.float64]
#: Names of columns of points, in lower case, in the order of preference.
LAYERS = ("layer", "module", "station", "plane", "volume_layer", "layer_id")
MOTHERS = ("mother", "genpartidxmother", "parent", "mother_index", "parent_index")
SIZES = ("energy", "e", "edep", "charge", "amplitude", "adc", "energy_deposit")
PARTICLES = ("pdgid", "pid", "pdg", "pdg_id")


@dataclass
class Group:
    """The list of points of one object, as hits or constituents.

    name      prefix of its columns.
    columns   name after the prefix → values (points,), NaN where there is none.
    units     name → unit.
    integers  names of columns of whole numbers.
    momentum  component of a four-momentum → name.
    """

    name: str
    columns: dict[str, Floats]
    units: dict[str, str] = field(default_factory=dict)
    integers: set[str] = field(default_factory=set)
    momentum: dict[str, str] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(next(iter(self.columns.values()), ()))

    def find(self, names: Iterable[str]) -> str | None:
        """Return the column with the first of these names, in any case, or None."""
        lowered = {name.lower(): name for name in self.columns}
        return next((lowered[name] for name in names if name in lowered), None)

    @property
    def position(self) -> tuple[str, str, str] | None:
        """The columns of x, y and z, None if there are none or they are a momentum."""
        lowered = {name.lower().replace(".", "_"): name for name in self.columns}
        for pattern in ("{}", "pos_{}", "position_{}", "sensor_pos_{}", "vtx_{}", "t{}", "v{}"):
            names = [lowered.get(pattern.format(axis)) for axis in "xyz"]
            x, y, z = names
            if x and y and z and not {x, y, z} & set(self.momentum.values()):
                return x, y, z
        return None

    def take(self, rows: NDArray[np.int64]) -> Group:
        """Return the group with these points only."""
        columns = {name: values[rows] for name, values in self.columns.items()}
        return Group(self.name, columns, self.units, self.integers, self.momentum)


def find_groups(event: Event, only: Iterable[str] = ()) -> dict[str, Group]:
    """Return axis → its points, for the lists of an event with a position or a momentum."""
    of_axis: dict[str, list[str]] = {}
    for name, column in event.schema.items():
        if column.axis.count(".") == 1 and not column.shape:
            of_axis.setdefault(column.axis.partition(".")[2], []).append(name)
    found = {}
    for axis, names in of_axis.items():
        if only and axis not in only:
            continue
        group = _group(axis, names, event.columns, event.schema)
        if len(group) and (group.position or group.momentum):
            found[axis] = group
    return found


def empty_lists(event: Event) -> list[str]:
    """Return the names of the lists of an event that have no entries."""
    lengths: dict[str, int] = {}
    for name, column in event.schema.items():
        if column.axis.count(".") == 1 and not column.shape:
            axis = column.axis.partition(".")[2]
            lengths[axis] = max(lengths.get(axis, 0), len(event.columns[name]))
    return [axis for axis, length in lengths.items() if not length]


def _group(
    axis: str, names: list[str], columns: Mapping[str, Any], schema: Mapping[str, Column]
) -> Group:
    values = {n: np.atleast_1d(ak.to_numpy(ak.fill_none(columns[n], np.nan))) for n in names}
    length = max((len(one) for one in values.values()), default=0)
    members = {
        re.sub(rf"^{re.escape(axis)}[_.]", "", name): one.astype(np.float64)
        for name, one in values.items()
        if len(one) == length
    }
    short = {re.sub(rf"^{re.escape(axis)}[_.]", "", name): name for name in names}
    units = {name: schema[long].unit for name, long in short.items() if schema[long].unit}
    integers = {name for name, long in short.items() if schema[long].kind != "real"}
    found = find_momentum({name: short[name] for name in members})
    of_long = {long: name for name, long in short.items()}
    momentum = {component: of_long[long] for component, long in found.items()}
    if {"x", "y", "z"} <= {one.lower() for one in momentum.values()} and units.get("x") != "GeV":
        momentum = {}  # a position with an energy
    return Group(axis, members, units, integers, momentum)


def kinematics(group: Group) -> tuple[Floats, Floats, Floats]:
    """Return pT, η and φ of the points of a group with a momentum, (points,) each.

    η = arsinh(pz/pT), ±10 along the beam.
    """
    names, columns = group.momentum, group.columns
    if "pt" in names:
        return columns[names["pt"]], columns[names["eta"]], columns[names["phi"]]
    px, py, pz = (columns[names[axis]] for axis in ("px", "py", "pz"))
    pt = np.hypot(px, py)
    with np.errstate(divide="ignore", invalid="ignore"):
        eta = np.clip(np.arcsinh(pz / pt), -10, 10)
    return pt, np.nan_to_num(eta), np.arctan2(py, px)
