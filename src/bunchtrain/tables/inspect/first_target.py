"""The target of a first study: a label, the index of the file, or one column from the others."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from bunchtrain.errors import DataError
from bunchtrain.tables.inspect.class_counts import count_classes
from bunchtrain.tables.inspect.column_roles import (
    CERTAIN,
    FEW,
    TRUE_QUANTITY,
    UNCERTAIN,
    Candidate,
    Roles,
    as_expression,
    is_true_group,
    reducible,
)
from bunchtrain.tables.inspect.inspection import ColumnSummary, TableSummary

#: Values that are counted, and those that become classes.
_MAX_VALUES, _MAX_CLASSES = 1000, 12
#: Rows that a class of a label needs, and one of a column that may be none.
_MIN_ROWS, _MIN_UNCERTAIN = 10, 30
#: Columns whose values are counted over all rows.
_MAX_COUNTED = 20
_MAX_REDUCED = 20
_SIGNAL = re.compile(r"signal|(^|_)sig(_|$)", re.IGNORECASE)
_BACKGROUND = re.compile(r"background|(^|_)(bkg|bg|qcd)(_|$)", re.IGNORECASE)


@dataclass(frozen=True)
class FirstTarget:
    """Target of a first study.

    content     class → condition, or value → expression.
    note        one sentence: what the target is, why, and what to edit.
    columns     of the data from which it is made, which are no inputs.
    expressions of it, which are no inputs.
    """

    content: Mapping[str, str]
    note: str
    columns: set[str] = field(default_factory=set)
    expressions: set[str] = field(default_factory=set)
    is_regression: bool = False
    by_file: bool = False
    signal: str | None = None
    select: str | None = None


def choose_target(
    table: TableSummary, roles: Roles, files: Sequence[tuple[str, str | None]]
) -> FirstTarget:
    """Return the most probable target of a table in these files.

    Raises DataError if the table has neither a label nor a column of numbers.
    """
    one_hot = [c for c in roles.targets if c.name.startswith("label_") and _is_binary(c.column)]
    if len(one_hot) > 1:
        return _one_hot(one_hot)
    counts = count_classes(files, [c.name for c in roles.targets[:_MAX_COUNTED]], _MAX_VALUES)

    def labelled(*reasons: str) -> FirstTarget | None:
        made = (_labelled(c, counts.get(c.name, {})) for c in roles.targets if c.reason in reasons)
        return next((target for target in made if target is not None), None)

    if found := labelled(*CERTAIN):
        return found
    if len(files) > 1:
        return _by_file(files)
    true = bool(roles.values) and roles.values[0].reason == TRUE_QUANTITY
    found = (_regression(roles) if true else None) or labelled(*UNCERTAIN)
    found = found or _regression(roles) or labelled(FEW)
    if found is not None:
        return found
    raise DataError(
        f"{files[0][0]}: the table '{table.name}' has no label and fewer than two columns of "
        "numbers that vary, so that nothing can be predicted; give a file with one row per event"
    )


def _is_binary(column: ColumnSummary) -> bool:
    return set(column.values) == {0, 1}


def _one_hot(columns: Sequence[Candidate]) -> FirstTarget:
    content = {c.name.removeprefix("label_"): f"{as_expression(c.name)} == 1" for c in columns}
    names = {c.name for c in columns}
    note = f"The target is made of the columns label_*, one for each of {len(names)} classes."
    return FirstTarget(content, note, names, signal=_signal(list(content)))


def _labelled(one: Candidate, counts: Mapping[Any, int]) -> FirstTarget | None:
    """Return the target of a label, None if fewer than two of its values have enough rows."""
    least = _MIN_ROWS if one.reason in CERTAIN else _MIN_UNCERTAIN
    enough = {value: rows for value, rows in counts.items() if rows >= least}
    if len(enough) < 2:
        return None
    frequent = sorted(enough, key=lambda value: -enough[value])[:_MAX_CLASSES]
    kept = {value: rows for value, rows in enough.items() if value in frequent}
    values = list(kept)
    if set(values) == {0, 1}:
        names = ["background", "signal"]
    else:
        names = [_class_name(str(value), n) for n, value in enumerate(values)]
    if len(set(names)) < len(names):
        names = [f"class_{n}" for n in range(len(values))]
    name = as_expression(one.name)
    content = {n: f"{name} == {_literal(v)}" for n, v in zip(names, values, strict=True)}
    rows = ", ".join(f"{value}: {n:,}" for value, n in list(kept.items())[:8])
    rare = len(counts) - len(kept)
    left = f"; {rare} less frequent values are left out" if rare else ""
    note = f"The target is the column '{one.name}' ({one.reason}; rows of each value: {rows}{left})"
    note += "; edit `targets` if it is not the label."
    return FirstTarget(content, note, {one.name}, signal=_signal(names))


def _by_file(files: Sequence[tuple[str, str | None]]) -> FirstTarget:
    names = [_class_name(PurePath(path).stem, n) for n, (path, _) in enumerate(files)]
    if len(set(names)) < len(names):
        names = [f"file_{n}" for n in range(len(files))]
    content = {name: f"label == {n}" for n, name in enumerate(names)}
    note = "No column is a label, so each file is a class; edit `source.add` and `targets` if not."
    return FirstTarget(content, note, by_file=True, signal=_signal(names))


def _regression(roles: Roles) -> FirstTarget | None:
    """Return the regression of one column, or of a sum over lists, from the others."""
    if roles.values and (len(roles.inputs) > 1 or roles.groups):
        one = roles.values[0]
        text, column = as_expression(one.name), one.column
        name, columns = _class_name(one.name.rpartition(".")[2], 0), {one.name}
        bad = bool(column.nans or column.infinities)
    else:
        sums = [text for text in reductions(roles) if text.startswith("sum(")]
        if not sums:
            return None
        text, name, columns, bad = sums[-1], "total", set(), True
    note = f"No column is a label, so '{text}' is predicted from the others as an example; "
    note += "edit `targets`, or give one file for each class: bunchtrain init SIGNAL BACKGROUND."
    made = {text, text.replace("sum(", "max(", 1)}
    select = f"isfinite({text})" if bad else None
    return FirstTarget({name: text}, note, columns, made, True, select=select)


def reductions(roles: Roles) -> Iterator[str]:
    """Yield the number of items of the largest group, and the sum and maximum of its columns."""
    groups = [p for p in roles.groups if not is_true_group(p)] or list(roles.groups)
    for prefix in groups:
        columns = [c for c in roles.groups[prefix] if reducible(c)]
        if columns:
            yield f"count({as_expression(columns[0].name)})"
            for column in columns[:_MAX_REDUCED]:
                yield f"sum({as_expression(column.name)})"
                yield f"max({as_expression(column.name)})"
            return


def _signal(names: Sequence[str]) -> str:
    """Return the class that is called signal, or is not called background, or is the last."""
    named = [name for name in names if _SIGNAL.search(name)]
    others = [name for name in names if not _BACKGROUND.search(name)]
    return (named or others or list(names))[-1]


def _class_name(text: str, index: int) -> str:
    cleaned = re.sub(r"\W+", "_", text).strip("_")
    return cleaned if cleaned[:1].isalpha() else f"class_{cleaned or index}"


def _literal(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False) if isinstance(value, str) else str(value)
