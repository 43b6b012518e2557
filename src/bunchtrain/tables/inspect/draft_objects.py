"""Draft for several objects an event of which each has a label: rows of the object."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, replace

from bunchtrain.errors import UserError
from bunchtrain.tables.inspect.class_counts import count_classes
from bunchtrain.tables.inspect.column_roles import (
    GIVEN,
    Roles,
    guess_roles,
    has_label_name,
    has_momentum,
    is_true,
    object_of,
    with_antiparticles,
)
from bunchtrain.tables.inspect.draft_events import target_body, unlabelled_body
from bunchtrain.tables.inspect.draft_lines import Body, Decision, as_json
from bunchtrain.tables.inspect.first_target import named_target, sure_target
from bunchtrain.tables.inspect.inspection import ColumnSummary, TableSummary
from bunchtrain.tables.inspect.opening import OpenedFiles
from bunchtrain.tables.transforms.object_rows import EVENT, INDEX, ObjectRows

_MAX_CLASSES, _MAX_CANDIDATES = 12, 5
_NUMBERED = re.compile(r"(.*[A-Za-z])(\d)[_.](.+)")


@dataclass(frozen=True)
class LabelledObject:
    """An object of an event that has a label of its own.

    prefixes  of its group of lists, or of several objects with columns of single values.
    target    column of the label, as the rows name it.
    columns   of the labels in the table.
    """

    prefixes: str | list[str]
    target: str
    columns: set[str]
    reason: str


def find_object(
    opened: OpenedFiles, table: TableSummary, roles: Roles, target: str | None
) -> LabelledObject | None:
    """Return the object with a momentum and a label, None if there is none.

    target  column of the label; recognised by its name if None.
    """
    for prefix, columns in roles.groups.items():
        if not has_momentum(prefix, columns):
            continue
        candidates = [
            c.name
            # a true category rather than a flag of a reconstruction, `IsTight`
            for c in sorted(columns, key=lambda one: (not is_true(one.name), len(one.name)))
            if (c.name == target if target else has_label_name(c.name))
            and c.is_integer
            and c.range is not None
            and c.range[0] < c.range[1]
        ][:_MAX_CANDIDATES]
        counts = count_classes(opened.tables, candidates, _MAX_CLASSES)
        for name in candidates:
            values = with_antiparticles(name, counts[name]) if target is None else None
            if sum(rows >= 10 for rows in (values or counts[name]).values()) > 1:
                reason = f"each '{prefix}' has the label '{name}'"
                return LabelledObject(prefix, name, {name}, reason)
    return None if target else _numbered(table.columns)


def _numbered(columns: Sequence[ColumnSummary]) -> LabelledObject | None:
    """Return the objects `jet1_…`, `jet2_…` of an event that have a label of each."""
    objects = defaultdict[str, dict[str, set[str]]](dict)
    for column in columns:
        if not column.is_list and (found := _NUMBERED.fullmatch(column.name)):
            objects[found[1]].setdefault(f"{found[1]}{found[2]}", set()).add(found[3])
    for base, suffixes in objects.items():
        shared = set.intersection(*suffixes.values())
        labels = sorted(name for name in shared if has_label_name(name))
        if len(suffixes) > 1 and len(shared) > 2 and labels:
            name, prefixes = f"{base.rstrip('_.')}_{labels[0]}", sorted(suffixes)
            of = " and ".join(prefixes)
            of_labels = {f"{one}_{suffix}" for one in prefixes for suffix in labels}
            reason = f"{of} have the label '{labels[0]}' each"
            return LabelledObject(prefixes, name, of_labels, reason)
    return None


def object_body(
    opened: OpenedFiles,
    prefixes: str | Sequence[str],
    reason: str,
    rows: int,
    target: str | None,
    why: str = GIVEN,
) -> Body:
    """Return a study with a row for each object.

    target  column of the label, of the events or the rows; recognised if None.
    why     it is the label.

    Raises UserError if there are no such objects, DataError if they have no inputs.
    """
    made = opened.rows_of(prefixes)
    first = made.tables[0]
    assert isinstance(first, ObjectRows)
    if target is not None:  # `Jet.flavour` is `Jet_flavour` of the rows
        target = next((n for n, given in first.names().items() if target in given), target)
    fields = first.fields()
    own = [n for n, type in fields.items() if n not in (EVENT, INDEX) and " * " not in type]
    if isinstance(prefixes, str):
        own = [name for name in own if object_of(name) == first.prefix]
    described = made.describe(rows, own)
    table = replace(described, columns=[c for c in described.columns if c.name in own])
    if not table.columns:
        raise UserError(f"--rows: the objects '{prefixes}' have no columns")
    roles = replace(guess_roles(table), keys=[])
    found = named_target(made, table, target, why) if target else sure_target(made, roles)
    body = (
        unlabelled_body(made, table, roles)
        if found is None
        else target_body(made, table, roles, found)
    )
    line = f"rows: {as_json(prefixes)}   # {reason}; rows of an event stay in the same set"
    decision = Decision("rows", f"one for each of {prefixes}", reason)
    return Body([line, "", *body.lines], [decision, *body.decisions], body.add)
