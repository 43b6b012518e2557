"""Units: columns are converted once, where they are read, to GeV, mm, rad and ns."""

from __future__ import annotations

import math
import re
from collections.abc import Collection, Mapping
from fnmatch import fnmatchcase
from typing import Literal

import awkward as ak
import numpy as np

from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.tables.column_types import kind
from bunchtrain.tables.momentum_names import group_members, is_momentum

#: Dimension → unit → its size in the first unit, to which all others are converted.
DIMENSIONS: dict[str, dict[str, float]] = {
    "energy": {"GeV": 1.0, "eV": 1e-9, "keV": 1e-6, "MeV": 1e-3, "TeV": 1e3},
    "length": {"mm": 1.0, "nm": 1e-6, "um": 1e-3, "cm": 10.0, "m": 1e3, "km": 1e6},
    "angle": {"rad": 1.0, "mrad": 1e-3, "deg": math.pi / 180},
    "time": {"ns": 1.0, "ps": 1e-3, "us": 1e3, "ms": 1e6, "s": 1e9},
}
Unit = Literal[
    "GeV", "eV", "keV", "MeV", "TeV", "mm", "nm", "um", "cm", "m", "km",
    "rad", "mrad", "deg", "ns", "ps", "us", "ms", "s",
]  # fmt: skip
#: The unit of all energies, momenta and masses, or those of columns, of `prefix_*` or of a group.
Units = Unit | dict[str, Unit | dict[str, Unit]]

_DIMENSION_OF = {unit: name for name, units in DIMENSIONS.items() for unit in units}
#: Dimension → what its columns are, and the last words of their names.
_WHAT = {"energy": "an energy, a momentum or a mass", "angle": "an angle"}
_ANGLES = re.compile(r"(^|[_.a-z])(phi|theta|azimuth|zenith|Phi|Theta)(_?\d+)?$")
#: Items of a list, or a value of conditions: `Jet_pt[0]`, `geometry.x[sensor_id]`.
_ITEMS = re.compile(r"([A-Za-z_][\w.]*)\[[^\[\]]*\]")
#: A unit in brackets at the end of the title of a branch, `transverse momentum [MeV]`.
_IN_TITLE = re.compile(r"(?:^|\s)\[(\w+)\]\s*$")


def canonical(unit: str) -> str:
    """Return the unit to which a unit is converted: `GeV` for `MeV`; of an unknown one itself."""
    dimension = _DIMENSION_OF.get(unit)
    return unit if dimension is None else next(iter(DIMENSIONS[dimension]))


def is_unit(text: str) -> bool:
    """Return whether a text is a known unit."""
    return text in _DIMENSION_OF


def unit_in_title(title: str) -> str:
    """Return the unit in brackets at the end of a title, '' if it names none."""
    found = _IN_TITLE.search(title)
    return found[1] if found and found[1] in _DIMENSION_OF else ""


def unit_in_name(name: str) -> str:
    """Return the unit that a name ends in, as `pt_MeV`, '' if there is none.

    Such columns are not converted: their names would be wrong.
    """
    word = re.split(r"[_.]", name)[-1]
    return word if len(word) > 1 and word != name and word in _DIMENSION_OF else ""


def column_units(units: Units | None, fields: Mapping[str, str]) -> dict[str, str]:
    """Return column → its unit in the files, of the columns that `units` describes.

    A unit without columns is that of every column with the name of an energy, a momentum or a mass.
    Columns are given by name, by a pattern (`hit_*`, the real numbers among them) or by group
    (`hit: {x: cm}`). Raises StudyError for a column that the files do not have, that has no
    numbers, or whose name is that of another dimension.
    """
    if units is None:
        return {}
    if isinstance(units, str):
        if _DIMENSION_OF[units] != "energy":
            raise StudyError(
                f"source.units: '{units}' is no unit of energy; name the columns, as {{x: {units}}}"
            )
        return {n: units for n, type in fields.items() if is_momentum(n) and _is_numeric(type)}
    found: dict[str, str] = {}
    for name, unit in units.items():
        if isinstance(unit, str):
            found |= dict.fromkeys(_matching(name, fields), unit)
            continue
        members = group_members(name, fields)
        for member, given in unit.items():
            if member not in members:
                hint = nearest(member, members) or f"; there are {one_of(members)}"
                raise StudyError(f"source.units.{name}: there is no column '{member}'{hint}")
            found[members[member]] = given
    for name, one in found.items():
        _check(name, one, fields[name])
    return found


def _matching(name: str, fields: Mapping[str, str]) -> list[str]:
    """Return the columns of a name or a pattern, of which integers are no quantities with units."""
    if name in fields:
        return [name]
    found = [n for n, type in fields.items() if fnmatchcase(n, name) and "float" in type]
    if not found:
        hint = nearest(name, fields) or f"; there are {one_of(fields)}"
        raise StudyError(f"source.units: there is no column '{name}'{hint}")
    return found


def _check(name: str, unit: str, type: str) -> None:
    if not _is_numeric(type):
        raise StudyError(f"source.units: '{name}' has no numbers but {type}")
    expected, given = _expected_dimension(name), _DIMENSION_OF[unit]
    if expected and expected != given:
        raise StudyError(
            f"source.units: '{name}' is {_WHAT[expected]} by its name, and '{unit}' is a unit of "
            f"{given}; give one of {one_of(DIMENSIONS[expected])}"
        )


def _expected_dimension(name: str) -> str:
    """Return the dimension of a column whose name leaves no doubt, or ''."""
    if _ANGLES.search(name):
        return "angle"
    words = re.findall(r"[A-Za-z]{2,}", name)
    return "energy" if words and is_momentum(name) and len(words[-1]) > 1 else ""


def present_units(units: Units | None, names: Collection[str]) -> Units | None:
    """Return the units of the columns that there are: new events may lack the true ones."""
    if not isinstance(units, dict):
        return units
    kept: dict[str, Unit | dict[str, Unit]] = {}
    for name, unit in units.items():
        if not isinstance(unit, str):
            members = group_members(name, names)
            present: dict[str, Unit] = {k: one for k, one in unit.items() if k in members}
            kept |= {name: present} if present else {}
        elif name in names or any(fnmatchcase(one, name) for one in names):
            kept[name] = unit
    return kept


def _is_numeric(type: str) -> bool:
    return any(word in type for word in ("float", "int"))


def converted(units: Mapping[str, str]) -> dict[str, str]:
    """Return column → unit of the columns whose values change: those in another unit."""
    return {name: unit for name, unit in units.items() if canonical(unit) != unit}


def convert(column: ak.Array, unit: str) -> ak.Array:
    """Return a column of this unit in GeV, mm, rad or ns; integers become float64."""
    if kind(column) == "integer":
        column = ak.values_astype(column, np.float64)
    factor = DIMENSIONS[_DIMENSION_OF[unit]][unit]
    inverse = round(1 / factor)
    # a division by 1000 is rounded correctly, a multiplication by 0.001 is not
    return column / inverse if math.isclose(inverse * factor, 1.0) else column * factor


def converted_types(fields: Mapping[str, str], columns: Collection[str]) -> dict[str, str]:
    """Return column → type after the conversion of these columns."""
    found = dict(fields)
    for name in columns:
        *lists, number = fields[name].split(" * ")
        found[name] = " * ".join([*lists, number if "float" in number else "float64"])
    return found


def defined_units(definitions: Mapping[str, str], units: Mapping[str, str]) -> dict[str, str]:
    """Return column → unit, also of definitions that are a column, or items or values of one."""
    found = dict(units)
    for name, text in definitions.items():
        found.pop(name, None)
        whole = _ITEMS.fullmatch(text.strip())
        if (unit := found.get(whole[1] if whole else text.strip())) is not None:
            found[name] = unit
    return found
