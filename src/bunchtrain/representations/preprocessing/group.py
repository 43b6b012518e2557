"""A jagged group: the columns that share a prefix, `constituent_pt`, and their four-momenta."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass

from bunchtrain.errors import DataError, nearest, one_of

#: Names of the components of a momentum in files, in lower case.
SPELLINGS = {
    "pt": ("pt",),
    "eta": ("eta",),
    "phi": ("phi",),
    "px": ("px",),
    "py": ("py",),
    "pz": ("pz",),
    "energy": ("energy", "e"),
    "mass": ("mass", "m"),
}
CARTESIAN = ("px", "py", "pz")
CYLINDRICAL = ("pt", "eta", "phi")


@dataclass(frozen=True)
class Group:
    """The columns of a group.

    prefix     `constituent`.
    members    suffix → column, `{"charge": "constituent_charge"}`.
    momentum   component → column, of three components and the energy or mass if there is one.
    """

    prefix: str
    members: Mapping[str, str]
    momentum: Mapping[str, str]


def find_group(prefix: str, available: Collection[str], *, has_momentum: bool = True) -> Group:
    """Return the group of columns `prefix_…` or `prefix.…` among those available.

    Raises DataError, naming the nearest groups, if there are none, or if they do not hold a
    momentum where it is needed: px, py, pz or pt, eta, phi, with energy or mass if the group has
    one.
    """
    members = {
        name[len(prefix) + 1 :]: name
        for name in available
        if name.startswith((f"{prefix}_", f"{prefix}.")) and len(name) > len(prefix) + 1
    }
    if not members:
        known = nearest(prefix, _prefixes(available)) or f"; there are {one_of(available)}"
        raise DataError(f"the data have no columns '{prefix}_…' for the group '{prefix}'{known}")
    return Group(prefix, members, _momentum(prefix, members) if has_momentum else {})


def _prefixes(available: Collection[str]) -> set[str]:
    cut = {name.rpartition(mark)[0] for name in available for mark in "_."}
    return (cut | {name.partition("_")[0] for name in available if "_" in name}) - {""}


def _momentum(prefix: str, members: Mapping[str, str]) -> dict[str, str]:
    lowered = {suffix.lower(): column for suffix, column in members.items()}
    found = {
        component: next(lowered[word] for word in words if word in lowered)
        for component, words in SPELLINGS.items()
        if any(word in lowered for word in words)
    }
    for axes in (CARTESIAN, CYLINDRICAL):
        if all(component in found for component in axes):
            scale = [name for name in ("energy", "mass") if name in found][:1]
            return {component: found[component] for component in (*axes, *scale)}
    raise DataError(
        f"the group '{prefix}' has neither px, py, pz nor pt, eta, phi, from which momenta are "
        f"computed (it has {one_of(members)}); name another group"
    )
