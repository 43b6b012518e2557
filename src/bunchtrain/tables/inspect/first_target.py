"""The target of a first study: a label, the index of the file, or a true quantity."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import PurePath
from typing import Any

from bunchtrain.errors import UserError, nearest
from bunchtrain.tables.inspect.class_counts import count_classes
from bunchtrain.tables.inspect.column_roles import (
    CERTAIN,
    GIVEN,
    TRUE_QUANTITY,
    UNCERTAIN,
    Candidate,
    Roles,
    as_expression,
    is_true,
    reducible,
    with_antiparticles,
    words,
)
from bunchtrain.tables.inspect.inspection import ColumnSummary, TableSummary
from bunchtrain.tables.inspect.opening import OpenedFiles

#: Values that are counted, and those that become classes.
_MAX_VALUES, _MAX_CLASSES = 1000, 12
#: Rows that a class of a label needs, and one of a column that may be none.
_MIN_ROWS, _MIN_UNCERTAIN = 10, 30
#: Columns whose values are counted over all rows.
_MAX_COUNTED = 20
#: Columns of lists that are reduced: of one group, of each of several, and groups.
_MAX_REDUCED, _MAX_OF_EACH, _MAX_GROUPS = 20, 4, 6
_SIGNAL = re.compile(r"signal|(^|_)sig(_|$)", re.IGNORECASE)
_BACKGROUND = re.compile(r"background|(^|_)(bkg|bg|qcd)(_|$)", re.IGNORECASE)


@dataclass(frozen=True)
class FirstTarget:
    """Target of a first study.

    content     class → condition, or value → expression.
    note        one sentence: what the target is, why, and what to edit.
    columns     of the data from which it is made, which are no inputs.
    """

    content: Mapping[str, str]
    note: str
    columns: set[str] = field(default_factory=set)
    is_regression: bool = False
    by_file: bool = False
    signal: str | None = None
    select: str | None = None


def sure_target(opened: OpenedFiles, roles: Roles) -> FirstTarget | None:
    """Return the target of columns with the name or the place of a label, None without them."""
    one_hot = [c for c in roles.targets if c.name.startswith("label_") and _is_binary(c.column)]
    return _one_hot(one_hot) if len(one_hot) > 1 else _label_of(opened, roles, *CERTAIN)


def possible_target(opened: OpenedFiles, roles: Roles) -> FirstTarget | None:
    """Return a target of rows without a sure label, None if there is none.

    It is the index of the file, if there are several; or a true quantity, which is predicted from
    what was measured; or the only flag.
    """
    if len(opened.paths) > 1:
        return _by_file(opened.paths)
    if roles.values and roles.values[0].reason == TRUE_QUANTITY and (roles.inputs or roles.groups):
        return _regression(roles.values[0])
    flags = [one for one in roles.targets if one.reason in UNCERTAIN]
    return _label_of(opened, roles, *UNCERTAIN) if len(flags) == 1 else None


def _label_of(opened: OpenedFiles, roles: Roles, *reasons: str) -> FirstTarget | None:
    """Return the first label with one of these reasons of which two values have enough rows."""
    candidates = [c for c in roles.targets if c.reason in reasons][:_MAX_COUNTED]
    counts = count_classes(opened.whole_tables(), [c.name for c in candidates], _MAX_VALUES)
    made = (_labelled(c, counts.get(c.name, {})) for c in candidates)
    return next((target for target in made if target is not None), None)


def named_target(
    opened: OpenedFiles, table: TableSummary, name: str, reason: str = GIVEN
) -> FirstTarget:
    """Return the target of a column that the user names: classes if it has few values, else values.

    reason  why it is the target, if the user has not named it.

    Raises UserError, naming the nearest, if there is no such column of single values.
    """
    column = next((c for c in table.columns if c.name == name and not c.is_list), None)
    if column is None:
        known = [c.name for c in table.columns if not c.is_list]
        raise UserError(
            f"--target: there is no column '{name}' of single values{nearest(name, known)}"
        )
    one = Candidate(column, reason)
    if column.type == "string" or column.is_integer:
        counts = count_classes(opened.whole_tables(), [name], _MAX_VALUES)
        if 2 <= len(counts[name]) <= 50 and (found := _labelled(one, counts[name])):
            signed = reason == GIVEN and with_antiparticles(name, counts[name]) is not None
            return _without_charge(found, table) if signed else found
    if column.range is None or column.range[0] == column.range[1]:
        raise UserError(
            f"--target: '{name}' has neither two classes of {_MIN_ROWS} rows nor numbers"
        )
    return _regression(one)


def _without_charge(found: FirstTarget, table: TableSummary) -> FirstTarget:
    """Return a target of particles and antiparticles, of which the charge is no input."""
    charges = {c.name for c in table.columns if "charge" in words(c.name)}
    note = f"{found.note} Its sign is that of the charge, which is no input."
    return replace(found, columns=found.columns | charges, note=note if charges else found.note)


def _is_binary(column: ColumnSummary) -> bool:
    return set(column.values) == {0, 1}


def _one_hot(columns: Sequence[Candidate]) -> FirstTarget:
    content = {c.name.removeprefix("label_"): f"{as_expression(c.name)} == 1" for c in columns}
    names = {c.name for c in columns}
    note = f"The target is made of the columns label_*, one for each of {len(names)} classes."
    return FirstTarget(content, note, names, signal=_signal(list(content)))


def _labelled(one: Candidate, counts: Mapping[Any, int]) -> FirstTarget | None:
    """Return the target of a label, None if fewer than two of its values have enough rows."""
    name = as_expression(one.name)
    merged = None if one.reason == GIVEN else with_antiparticles(one.name, counts)
    if merged is not None:
        counts, name = merged, f"abs({name})"
    least = _MIN_ROWS if one.reason in (GIVEN, *CERTAIN) else _MIN_UNCERTAIN
    enough = {value: rows for value, rows in counts.items() if rows >= least}
    if len(enough) < 2:
        return None
    frequent = sorted(enough, key=lambda value: -enough[value])[:_MAX_CLASSES]
    kept = {value: rows for value, rows in enough.items() if value in frequent}
    values = list(kept)
    if set(values) == {0, 1}:
        names = ["background", "signal"]
    else:
        names = [class_name(str(value), n) for n, value in enumerate(values)]
    if len(set(names)) < len(names):
        names = [f"class_{n}" for n in range(len(values))]
    content = {n: f"{name} == {literal(v)}" for n, v in zip(names, values, strict=True)}
    rows = ", ".join(f"{value}: {n:,}" for value, n in list(kept.items())[:8])
    rare = len(counts) - len(kept)
    left = f"; {rare} less frequent values are left out" if rare else ""
    note = f"The target is the column '{one.name}' ({one.reason}; rows of each value: {rows}{left})"
    note += "; edit `targets` if it is not the label."
    return FirstTarget(content, note, {one.name}, signal=_signal(names))


def _by_file(paths: Sequence[str]) -> FirstTarget:
    names = [class_name(PurePath(path).stem, n) for n, path in enumerate(paths)]
    if len(set(names)) < len(names):
        names = [f"file_{n}" for n in range(len(paths))]
    content = {name: f"label == {n}" for n, name in enumerate(names)}
    note = "No column is a label, so each file is a class; edit `source.add` and `targets` if not."
    return FirstTarget(content, note, by_file=True, signal=_signal(names))


def _regression(one: Candidate) -> FirstTarget:
    """Return the regression of one column."""
    text, column = as_expression(one.name), one.column
    note = f"'{text}' is predicted from the other columns ({one.reason}); edit `targets`, or give "
    note += "one file for each class: bunchtrain init SIGNAL BACKGROUND."
    select = f"isfinite({text})" if column.nans or column.infinities else None
    name = class_name(one.name.rpartition(".")[2], 0)
    return FirstTarget({name: text}, note, {one.name}, is_regression=True, select=select)


def reductions(roles: Roles) -> Iterator[str]:
    """Yield the number of items of the groups, and the sum and maximum of their columns."""
    groups = [p for p in roles.groups if not is_true(p)] or list(roles.groups)
    most = _MAX_REDUCED if len(groups) == 1 else _MAX_OF_EACH
    for prefix in groups[:_MAX_GROUPS]:
        columns = [c for c in roles.groups[prefix] if reducible(c)]
        if columns:
            yield f"count({as_expression(columns[0].name)})"
            for column in columns[:most]:
                yield f"sum({as_expression(column.name)})"
                yield f"max({as_expression(column.name)})"


def _signal(names: Sequence[str]) -> str:
    """Return the class that is called signal, or is not called background, or is the last."""
    named = [name for name in names if _SIGNAL.search(name)]
    others = [name for name in names if not _BACKGROUND.search(name)]
    return (named or others or list(names))[-1]


def class_name(text: str, index: int) -> str:
    """Return a text as the name of a class."""
    cleaned = re.sub(r"\W+", "_", text).strip("_")
    return cleaned if cleaned[:1].isalpha() else f"class_{cleaned or index}"


def literal(value: Any) -> str:
    """Return a value as it is written in an expression."""
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
