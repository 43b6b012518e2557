"""A jagged group: the columns that share a prefix, `constituent_pt`, and their four-momenta."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from bunchtrain.errors import DataError, nearest, one_of
from bunchtrain.tables.momentum_names import find_momentum, group_members, group_prefixes


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
    """Return the group of columns of an object among those available.

    The columns are `jet_pt`, `jet.pt` or, without a momentum among these, `jetPt` or `pt_jet`; of
    the group '' they are `pt`. Raises DataError, naming the nearest groups, if there are none, or
    if they do not hold a momentum as `find_momentum` takes it where it is needed.
    """
    layouts = [found for members in _LAYOUTS if (found := members(prefix, available))]
    for members in layouts if has_momentum else ():
        if momentum := find_momentum(members):
            return Group(prefix, members, momentum)
    if not layouts:
        known = nearest(prefix, group_prefixes(available)) or f"; there are {one_of(available)}"
        raise DataError(f"the data have no columns '{prefix}_…' for the group '{prefix}'{known}")
    if not has_momentum:
        return Group(prefix, layouts[0], {})
    raise DataError(
        f"the group '{prefix}' has neither px, py, pz nor pt, eta, phi, from which momenta are "
        f"computed (it has {one_of(layouts[0])}); name another group"
    )


def _after_prefix(prefix: str, available: Collection[str]) -> dict[str, str]:
    found = {name.removeprefix(prefix): name for name in available if name.startswith(prefix)}
    return {rest: name for rest, name in found.items() if not prefix or rest[:1].isupper()}


def _before_mark(prefix: str, available: Collection[str]) -> dict[str, str]:
    return {n.removesuffix(f"_{prefix}"): n for n in available if n.endswith(f"_{prefix}")}


#: The ways in which columns are named after their object, the usual one first.
_LAYOUTS: tuple[Callable[[str, Collection[str]], dict[str, str]], ...] = (
    group_members,
    _after_prefix,
    _before_mark,
)
