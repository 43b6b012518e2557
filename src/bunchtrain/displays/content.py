"""What a display of one event shows, as plain data for the script of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from bunchtrain.displays.colours import Colouring, automatic, rule
from bunchtrain.displays.encoding import encode_column, encode_indices
from bunchtrain.displays.groups import (
    MOTHERS,
    SIZES,
    Floats,
    Group,
    empty_lists,
    find_groups,
    kinematics,
)
from bunchtrain.displays.panels import image_panels, momentum_panels, position_panels, tree_panel
from bunchtrain.displays.reading import Event, preferred
from bunchtrain.errors import DataError, nearest, one_of

#: Columns of a point that are shown, and of the event.
MAX_COLUMNS, MAX_FACTS = 14, 8


@dataclass(frozen=True)
class Limits:
    """Bounds on the size of a display.

    points   of a group that are drawn: those of most energy, or of a random choice.
    columns  of a point that are shown with it.
    pixels   of an image.
    """

    points: int = 20_000
    columns: int = MAX_COLUMNS
    pixels: int = 1_000_000


@dataclass(frozen=True)
class Display:
    """A display of one event.

    title    heading.
    facts    (name, value) about the event.
    payload  groups of points, panels and notes, as plain data.
    """

    title: str
    facts: Sequence[tuple[str, str]]
    payload: Mapping[str, Any]


@dataclass
class _Made:
    groups: list[dict[str, Any]] = field(default_factory=list)
    panels: list[dict[str, Any]] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)


def make_display(
    event: Event,
    title: str,
    facts: Sequence[tuple[str, str]] = (),
    colourings: Sequence[Colouring] = (),
    groups: Sequence[str] = (),
    limits: Limits = Limits(),
) -> Display:
    """Return the display of an event: hits in space and planes, jets in (η, φ), trees, images.

    event       its columns.
    title       heading.
    facts       shown below it, with columns of the event.
    colourings  truth and predictions of points, beside the colours that the columns give.
    groups      that are shown; chosen by their names if empty.
    limits      bounds on the size.

    Raises DataError if nothing in the event can be drawn, or a group is unknown or empty.
    """
    found, made, empty = find_groups(event), _Made(), empty_lists(event)
    for name in groups:
        if name in empty:
            raise DataError(f"the event has no entries in '{name}'; choose another event")
        if name not in found:
            hint = nearest(name, found) or f"; there are {one_of(found) or 'none'}"
            raise DataError(f"the event has no group '{name}' with positions or momenta{hint}")
    chosen = {name: found[name] for name in groups} or _choose(found, event.left_out, made.notes)
    places = {n: g for n, g in chosen.items() if g.position and not g.find(MOTHERS)}
    momenta = {n: g for n, g in chosen.items() if g.momentum and not g.find(MOTHERS)}
    momenta = {n: g for n, g in momenta.items() if n not in places}
    for name, group in chosen.items():
        if group.momentum and group.find(MOTHERS) and (status := group.find(("status",))):
            momenta[name] = group.take(np.flatnonzero(group.columns[status] == 1))
    for group in places.values():
        _add_positions(made, group, event, colourings, limits)
    if momenta:
        _add_momenta(made, momenta, colourings, limits, bool(places))
    for group in chosen.values():
        if group.find(MOTHERS):
            _add_tree(made, group, limits)
    if not groups:
        made.panels += image_panels(event, limits.pixels, made.notes)
    if not made.panels:
        if empty:
            raise DataError(f"the event has no entries in {one_of(empty)}; choose another event")
        raise DataError(
            "nothing in the event can be drawn: lists with x, y, z, or pt, eta, phi, or a mother, "
            f"or images are; its columns are {one_of(event.schema)}"
        )
    payload = {"groups": made.groups, "panels": made.panels, "notes": made.notes}
    return Display(title, [*facts, *_facts(event)], payload)


def can_draw(event_columns: Mapping[str, Any]) -> bool:
    """Return whether a table with these columns (name → Column) has lists or images at all."""
    return any(c.axis.count(".") or len(c.shape) > 1 for c in event_columns.values())


def _choose(
    found: Mapping[str, Group], left_out: Sequence[str], notes: list[str]
) -> dict[str, Group]:
    names = preferred(found)
    if others := [*(name for name in found if name not in names), *left_out]:
        notes.append(f"Not shown: {one_of(others, 12)}; choose with --group.")
    return {name: found[name] for name in names}


def _facts(event: Event) -> list[tuple[str, str]]:
    """Return the first numbers of the event as text."""
    found = []
    for name, column in event.schema.items():
        if "." in column.axis or column.shape or name == "file_number":
            continue
        value = event.columns[name]
        if value is None:
            continue
        text = f"{float(value):.4g}" if column.kind == "real" else f"{value}"
        found.append((name, f"{text} {column.unit}".strip()))
    return found[:MAX_FACTS]


def _limited(
    group: Group, limits: Limits, notes: list[str]
) -> tuple[Group, np.ndarray[Any, np.dtype[np.int64]]]:
    """Return the points that are drawn, and their indices in the group."""
    names = group.position or tuple(group.momentum.values())
    is_finite = np.all([np.isfinite(group.columns[name]) for name in names], axis=0)
    rows = np.flatnonzero(is_finite)
    if lost := len(group) - len(rows):
        of_all = f"{lost:,} of {len(group):,} in '{group.name}'"
        notes.append(f"{of_all} have no place: NaN or infinity.")
    if len(rows) > limits.points:
        size = group.find((*SIZES, "pt"))
        if size is not None:
            order = np.argsort(-np.nan_to_num(group.columns[size][rows]), kind="stable")
            rows, how = np.sort(rows[order[: limits.points]]), f"those of largest {size}"
        else:
            random = np.random.default_rng(1)
            rows, how = (
                np.sort(random.choice(rows, limits.points, replace=False)),
                "drawn at random",
            )
        text = f"{limits.points:,} of {len(group):,} in '{group.name}' are shown, {how}."
        notes.append(text)
    return group.take(rows), rows


def _encoded(
    full: Group,
    rows: np.ndarray[Any, np.dtype[np.int64]],
    given: Sequence[Colouring],
    limits: Limits,
) -> tuple[dict[str, Any], list[str]]:
    """Return a group for the script, and the names of its colourings in order."""
    columns, group, total = {}, full.take(rows), len(full)
    for name, values in list(group.columns.items())[: limits.columns]:
        columns[name] = encode_column(values, group.units.get(name, ""), name in group.integers)
    for name in group.position or ():
        columns.setdefault(name, encode_column(group.columns[name], group.units.get(name, "")))
    rules, edges = {}, {}
    for one in [*given, *automatic(full, given)]:
        chosen: Floats | None = one.values
        if chosen is not None and one.extends and len(chosen) < total:
            chosen = np.append(chosen, np.full(total - len(chosen), -1.0))
        if chosen is not None:
            if len(chosen) != total:
                continue
            chosen = chosen[rows]
        rules[one.title] = rule(one, chosen, columns)
        if one.edges is not None and len(rows) == total:
            edges[one.title] = {key: encode_indices(v) for key, v in one.edges.items()}
            rules[one.title] |= {"edges": one.title}
    made = {"name": group.name, "columns": columns, "colourings": rules, "edges": edges}
    if group.position:
        made["position"] = list(group.position)
    if len(rows) < total:
        made["index"] = encode_indices(rows)
    return made, list(rules)


def _add_positions(
    made: _Made, group: Group, event: Event, given: Sequence[Colouring], limits: Limits
) -> None:
    of_group = [one for one in given if one.group == group.name]
    shown, rows = _limited(group, limits, made.notes)
    encoded, names = _encoded(group, rows, of_group, limits)
    beside = []
    for role in ("truth", "prediction"):
        beside += [one.title for one in of_group if one.role == role and one.title in names][:1]
    made.panels += position_panels(shown, encoded, len(made.groups), names, beside, event)
    made.groups.append(encoded)


def _add_momenta(
    made: _Made,
    groups: Mapping[str, Group],
    given: Sequence[Colouring],
    limits: Limits,
    has_places: bool,
) -> None:
    sets, choices = [], list[str]()
    for number, group in enumerate(groups.values()):
        shown, rows = _limited(group, limits, made.notes)
        own = [one for one in given if one.group == group.name]
        if len(groups) > 1:
            labels = tuple(groups)
            own = [*own, Colouring("object", group.name, "category", None, labels, index=number)]
        encoded, names = _encoded(group, rows, own, limits)
        pt, eta, phi = kinematics(shown)
        for name, values in (("ev_pt", pt), ("ev_eta", eta), ("ev_phi", phi)):
            encoded["columns"][name] = encode_column(values) | {"derived": True}
        sets.append((len(made.groups), eta, phi))
        choices += [name for name in names if name not in choices]
        made.groups.append(encoded)
    unit = next((g.units.get(g.momentum.get("pt", ""), "") for g in groups.values()), "")
    made.panels += momentum_panels(sets, choices, unit or "", has_places)


def _add_tree(made: _Made, group: Group, limits: Limits) -> None:
    shown, rows = group, np.arange(len(group))
    if len(group) > 2000:
        shown, rows = group.take(rows[:2000]), rows[:2000]
        made.notes.append(f"2,000 of {len(group):,} in '{group.name}' are shown, the first ones.")
    encoded, names = _encoded(group, rows, [], limits)
    made.panels.append(tree_panel(shown, encoded, len(made.groups), names))
    made.groups.append(encoded)
