"""A starting study for files, from what `inspect` sees in them: `bunchtrain init FILE…`."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from bunchtrain.errors import DataError
from bunchtrain.tables.inspect.drafting_roles import Roles, as_expression, guess
from bunchtrain.tables.inspect.inspection import ColumnSummary, Inspection, TableSummary, inspect
from bunchtrain.tables.reading.paths import resolve

_MOST_INPUTS, _MOST_LISTED = 100, 20


def draft(files: Sequence[str], *, tree: str | None = None, rows: int = 10_000) -> str:
    """Return a commented study in YAML for these files, which `run` accepts.

    The target is a column that looks like one, or the file that an event comes from if there are
    several files; if neither is there, `targets:` is left to be filled in. Raises DataError if no
    file has a column to learn from.
    """
    found = [inspect(path, rows, tree=named or tree) for path, named in resolve(list(files))]
    return "\n".join(draft_from(found, list(files), tree)) + "\n"


def draft_from(found: list[Inspection], files: list[str], tree: str | None) -> Iterator[str]:
    """Yield the lines of a study for files and what was seen in them."""
    table = _main_table(found[0])
    roles = guess(table)
    if not (roles.inputs or roles.groups):
        raise DataError(f"{found[0].path}: no column of numbers that vary, nothing to learn from")
    by_file = not roles.targets and len(found) > 1
    yield from _head(found, table)
    several = len(found[0].tables) > 1 or tree is not None
    yield from _source(found, files, table.name if several else None, by_file)
    yield from _targets(roles, [one.path for one in found] if by_file else [])
    yield from _weights_and_split(roles)
    yield from _inputs(roles)
    yield from _groups(roles)
    yield from _training(roles)


def _main_table(inspection: Inspection) -> TableSummary:
    if not inspection.tables:
        raise DataError(f"{inspection.path} holds no table that can be read")
    return max(inspection.tables, key=lambda table: len(table.columns))


def _head(found: list[Inspection], table: TableSummary) -> Iterator[str]:
    yield "# A starting study, written by `bunchtrain init` from what it saw in the files."
    yield f"# {found[0].path}: {table.name}, {table.rows}, {len(table.columns)} columns."
    yield "# `bunchtrain inspect FILE` prints them all; `bunchtrain parts` what can be used."
    yield "title: A first look"
    yield "seed: 1"
    yield ""


def _source(
    found: list[Inspection], files: list[str], tree: str | None, by_file: bool
) -> Iterator[str]:
    yield "source:"
    yield "  name: files"
    yield f"  files: {_json(files)}"
    if tree is not None:
        others = [table.name for table in found[0].tables if table.name != tree]
        yield f"  tree: {_json(tree)}" + (f"  # or {', '.join(others)}" if others else "")
    if by_file:
        yield "  # Class number by file; change it to what the files hold."
        labels = {_pattern(one.path, found): number for number, one in enumerate(found)}
        yield f"  add: {_json({'label': labels})}"
    yield ""
    yield "# define:                # new columns; docs: expressions"
    yield "#   log_pt: log(pt)"
    yield "# select: pt > 20        # condition that an event must fulfil"
    yield ""


def _pattern(path: str, found: list[Inspection]) -> str:
    """Return a pattern that only this file's path fits: its name, if no other has the same."""
    name = PurePath(path).name
    same = [one for one in found if PurePath(one.path).name == name]
    return glob.escape(name if len(same) == 1 else path)


def _targets(roles: Roles, paths: list[str]) -> Iterator[str]:
    candidates = [f"{c.name} ({', '.join(map(str, c.values))})" for c in roles.targets]
    if candidates:
        yield f"# Columns that may be the target: {'; '.join(candidates[:_MOST_LISTED])}"
    if paths:
        classes = {_class_name(PurePath(p).stem, n): f"label == {n}" for n, p in enumerate(paths)}
    else:
        classes = _classes(roles.targets)
    if not classes:
        yield "# TO BE FILLED IN: no column looks like a target. For classes, or for a number:"
        yield "#   label: {classes: {background: truth == 0, signal: truth == 1}}"
        yield "#   energy: {values: {energy: true_energy}}"
        yield "targets:"
        yield "  label: {}              # <- TO BE FILLED IN"
        yield ""
        return
    yield "targets:"
    yield "  label:"
    yield "    classes:"
    for name, condition in classes.items():
        yield f"      {_json(name)}: {_json(condition)}"
    yield ""


def _classes(targets: list[ColumnSummary]) -> dict[str, str]:
    """Return class → condition: of columns that are one class each, or of the likeliest one."""
    one_hot = [c for c in targets if c.name.startswith("label_") and set(c.values) == {0, 1}]
    if len(one_hot) > 1:
        return {c.name.removeprefix("label_"): f"{as_expression(c.name)} == 1" for c in one_hot}
    if not targets:
        return {}
    column = targets[0]
    values = list(column.values)
    if set(values) == {0, 1}:
        names = ["background", "signal"]
    else:
        names = [_class_name(str(value), n) for n, value in enumerate(values)]
    if len(set(names)) < len(names):
        names = [f"class_{n}" for n in range(len(values))]
    name = as_expression(column.name)
    return {label: f"{name} == {_literal(v)}" for label, v in zip(names, values, strict=True)}


def _class_name(text: str, number: int) -> str:
    cleaned = re.sub(r"\W+", "_", text).strip("_")
    return cleaned if cleaned[:1].isalpha() else f"class_{cleaned or number}"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(int(value) if isinstance(value, float) else value)


def _weights_and_split(roles: Roles) -> Iterator[str]:
    if roles.weights:
        names = ", ".join(column.name for column in roles.weights[:_MOST_LISTED])
        negative = any(c.range and c.range[0] < 0 for c in roles.weights)
        yield f"# weights:               # columns that may be weights: {names}"
        yield f"#   event: {as_expression(roles.weights[0].name)}"
        if negative:
            yield "#   negative: keep       # some are negative"
    yield "split:"
    yield "  name: fraction"
    if roles.event is not None:
        yield f"  key: {_json(roles.event)}  # rows of one event stay together"
    yield ""


def _inputs(roles: Roles) -> Iterator[str]:
    features = [as_expression(column.name) for column in roles.inputs]
    if not features:
        features = list(_from_lists(roles))
    bad = [c for c in roles.inputs if c.nans or c.infinities]
    if bad or not roles.inputs:
        yield "invalid: impute          # NaN and infinity in inputs become the training median"
    yield "represent:"
    yield "  name: table"
    yield "  features:"
    for number, feature in enumerate(features):
        yield f"  {'# ' if number >= _MOST_INPUTS else ''}- {_json(feature)}"
    yield ""


def _from_lists(roles: Roles) -> Iterator[str]:
    columns = next(iter(roles.groups.values()))
    names = [as_expression(column.name) for column in columns[:_MOST_LISTED]]
    yield f"count({names[0]})"
    for name in names:
        yield f"sum({name})"
        yield f"max({name})"


def _groups(roles: Roles) -> Iterator[str]:
    if not roles.groups:
        return
    yield "# Lists of particles, by their common prefix; for a network on one of them, in place of"
    yield "# the table above and of the trees below:"
    for prefix, columns in list(roles.groups.items())[:_MOST_LISTED]:
        names = ", ".join(column.name for column in columns[:8])
        yield f"#   {prefix}: {names}{', ...' if len(columns) > 8 else ''}"
    yield f"# represent: {{name: cloud, group: {_json(next(iter(roles.groups)))}}}"
    yield "# model: particle_flow_network"
    yield ""


def _training(roles: Roles) -> Iterator[str]:
    yield "model: boosted_trees"
    yield "# training: {epochs: 20, batch_size: 256}   # for networks"
    if roles.event is not None:
        yield f"spectators: [{_json(roles.event)}]"


def _json(value: Any) -> str:
    """Return a value as JSON, which YAML reads the same."""
    return json.dumps(value, ensure_ascii=False)
