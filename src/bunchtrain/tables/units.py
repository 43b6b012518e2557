"""Units of energy: columns are converted to GeV once, where they are read."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Literal

import awkward as ak
import numpy as np

from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.tables.column_types import kind
from bunchtrain.tables.momentum_names import is_momentum

Unit = Literal["GeV", "MeV", "TeV"]
#: A unit of all energies, momenta and masses, or of these columns.
Units = Unit | dict[str, Unit]

_IN_GEV = {"GeV": 1.0, "MeV": 1e-3, "TeV": 1e3}


def column_units(units: Units | None, fields: Mapping[str, str]) -> dict[str, Unit]:
    """Return column → unit of the columns that are to be converted.

    A unit without columns is that of every column with the name of an energy, a momentum or a mass.
    Raises StudyError for a column that the files do not have, or without numbers.
    """
    if isinstance(units, dict):
        for name in units:
            if name not in fields:
                hint = nearest(name, fields) or f"; there are {one_of(fields)}"
                raise StudyError(f"source.units: there is no column '{name}'{hint}")
            if not _is_numeric(fields[name]):
                raise StudyError(f"source.units: '{name}' has no numbers but {fields[name]}")
        return {name: unit for name, unit in units.items() if unit != "GeV"}
    if units in (None, "GeV"):
        return {}
    return {n: units for n, type in fields.items() if is_momentum(n) and _is_numeric(type)}


def present_units(units: Units | None, names: Collection[str]) -> Units | None:
    """Return the units of the columns that there are: new events may lack the true ones."""
    if not isinstance(units, dict):
        return units
    return {name: unit for name, unit in units.items() if name in names}


def _is_numeric(type: str) -> bool:
    return any(word in type for word in ("float", "int"))


def in_gev(column: ak.Array, unit: Unit) -> ak.Array:
    """Return a column of this unit in GeV; whole numbers become floats of double precision."""
    if kind(column) == "integer":
        column = ak.values_astype(column, np.float64)
    # a division by 1000 is rounded correctly, a multiplication by 0.001 is not
    factor = _IN_GEV[unit]
    return column / round(1 / factor) if factor < 1 else column * factor


def converted_types(fields: Mapping[str, str], columns: Collection[str]) -> dict[str, str]:
    """Return column → type after the conversion of these columns."""
    found = dict(fields)
    for name in columns:
        *lists, number = fields[name].split(" * ")
        found[name] = " * ".join([*lists, number if "float" in number else "float64"])
    return found
