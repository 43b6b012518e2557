"""Draft of a first study for files, from their inspection: `bunchtrain init FILE…`."""

from __future__ import annotations

import glob
import json
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from bunchtrain.errors import DataError
from bunchtrain.tables.inspect.column_roles import Roles, as_expression, guess_roles
from bunchtrain.tables.inspect.inspection import ColumnSummary, Inspection, TableSummary, inspect
from bunchtrain.tables.reading.paths import resolve

_MAX_INPUTS, _MAX_LISTED = 100, 20


def draft(files: Sequence[str], *, tree: str | None = None, rows: int = 10_000) -> str:
    """Return a commented study in YAML for these files, to be edited and run.

    The target is a column with a suitable name and values, or the index of the file if there are
    several files; without either, `targets:` is to be filled in. Raises DataError if no file has a
    column that can be an input.
    """
    found = [inspect(path, rows, tree=named or tree) for path, named in resolve(list(files))]
    table = _widest_table(found[0])
    roles = guess_roles(table)
    if not (roles.inputs or roles.groups):
        raise DataError(f"{found[0].path}: no numeric column varies, so there is no input")
    by_file = not roles.targets and len(found) > 1
    several = len(found[0].tables) > 1 or tree is not None
    lines = [
        *_head(found, table),
        *_source(found, files, table.name if several else None, by_file),
        *_targets(roles, [one.path for one in found] if by_file else []),
        *_weights_and_split(roles),
        *_inputs(roles),
        *_model_and_evaluation(roles, bool(roles.targets or by_file)),
    ]
    return "\n".join(lines) + "\n"


def _widest_table(inspection: Inspection) -> TableSummary:
    if not inspection.tables:
        raise DataError(f"{inspection.path} contains no readable table")
    return max(inspection.tables, key=lambda table: len(table.columns))


def _head(found: list[Inspection], table: TableSummary) -> Iterator[str]:
    yield "# A first study, written by `bunchtrain init` from the columns of the files."
    yield f"# {found[0].path}: {table.name}, {table.rows}, {len(table.columns)} columns."
    yield "# `bunchtrain inspect FILE` lists the columns, `bunchtrain parts` the available parts."
    yield "title: A first look"
    yield "# note: One sentence that is printed with the results."
    yield "seed: 1"
    yield ""


def _source(
    found: list[Inspection], files: Sequence[str], tree: str | None, by_file: bool
) -> Iterator[str]:
    yield "source:"
    yield "  name: files"
    yield f"  files: {_json(list(files))}"
    if tree is not None:
        others = [table.name for table in found[0].tables if table.name != tree]
        yield f"  tree: {_json(tree)}" + (f"  # or {', '.join(others)}" if others else "")
    if by_file:
        yield "  # Class index of each file; edit it to match the content of the files."
        labels = {_pattern(one.path, found): index for index, one in enumerate(found)}
        yield f"  add: {_json({'label': labels})}"
    yield ""
    yield "# define:                # new columns, computed from expressions"
    yield "#   log_pt: log(pt)"
    yield "# select: pt > 20        # use only events that pass this condition"
    yield ""


def _pattern(path: str, found: list[Inspection]) -> str:
    """Return a pattern that matches this file only: its name, if it is unique, else its path."""
    name = PurePath(path).name
    same = [one for one in found if PurePath(one.path).name == name]
    return glob.escape(name if len(same) == 1 else path)


def _targets(roles: Roles, paths: list[str]) -> Iterator[str]:
    candidates = [f"{c.name} ({', '.join(map(str, c.values))})" for c in roles.targets]
    if candidates:
        yield f"# Columns that may be the target: {'; '.join(candidates[:_MAX_LISTED])}"
    if paths:
        classes = {_class_name(PurePath(p).stem, n): f"label == {n}" for n, p in enumerate(paths)}
    else:
        classes = _classes(roles.targets)
    if not classes:
        yield "# TO BE FILLED IN: no target column was found. For a classification or a regression:"
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
    yield f"    signal: {_json(list(classes)[-1])}  # all other classes are background"
    yield ""


def _classes(targets: list[ColumnSummary]) -> dict[str, str]:
    """Return class → condition, from one-hot columns or from the most probable target column."""
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


def _class_name(text: str, index: int) -> str:
    cleaned = re.sub(r"\W+", "_", text).strip("_")
    return cleaned if cleaned[:1].isalpha() else f"class_{cleaned or index}"


def _literal(value: Any) -> str:
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False)
    return str(int(value) if isinstance(value, float) else value)


def _weights_and_split(roles: Roles) -> Iterator[str]:
    if roles.weights:
        names = ", ".join(column.name for column in roles.weights[:_MAX_LISTED])
        yield f"# weights:               # columns that may be weights: {names}"
        yield f"#   event: {as_expression(roles.weights[0].name)}"
        if any(c.range and c.range[0] < 0 for c in roles.weights):
            yield "#   negative: keep       # some weights are negative"
    yield "split:"
    yield "  name: fraction         # random fractions for training, validation and test"
    if roles.event is not None:
        yield f"  key: {_json(roles.event)}  # rows of the same event are in the same set"
    yield ""


def _inputs(roles: Roles) -> Iterator[str]:
    features = [as_expression(column.name) for column in roles.inputs] or list(_reductions(roles))
    if not roles.inputs or any(c.nans or c.infinities for c in roles.inputs):
        yield "invalid: impute          # NaN and infinity become the median of the training set"
    yield "representation:"
    yield "  name: table"
    yield "  features:"
    for index, feature in enumerate(features):
        yield f"  {'# ' if index >= _MAX_INPUTS else ''}- {_json(feature)}"
    yield ""
    if not roles.groups:
        return
    yield "# Lists of particles, grouped by prefix. To train a network on one of them, replace"
    yield "# `representation` above and `model` below by the last two lines of this comment:"
    for prefix, columns in list(roles.groups.items())[:_MAX_LISTED]:
        names = ", ".join(column.name for column in columns[:8])
        yield f"#   {prefix}: {names}{', ...' if len(columns) > 8 else ''}"
    yield f"# representation: {{name: point_cloud, group: {_json(next(iter(roles.groups)))}}}"
    yield "# model: particle_flow_network"
    yield ""


def _reductions(roles: Roles) -> Iterator[str]:
    """Yield the number of items of the largest group, and the sum and maximum of its columns."""
    columns = next(iter(roles.groups.values()))
    names = [as_expression(column.name) for column in columns[:_MAX_LISTED]]
    yield f"count({names[0]})"
    for name in names:
        yield f"sum({name})"
        yield f"max({name})"


def _model_and_evaluation(roles: Roles, has_classes: bool) -> Iterator[str]:
    yield "model: boosted_trees"
    yield "# training: {epochs: 20, batch_size: 256}   # for networks"
    yield "# models:                # to compare several models on the same events"
    yield "#   trees: {model: boosted_trees}"
    yield "#   network: {model: dense_network}"
    if roles.event is not None:
        yield f"spectators: [{_json(roles.event)}]  # not inputs; stored with the predictions"
    yield ""
    if not has_classes:
        yield "# evaluation: [classification]   # or [regression]"
        return
    yield "evaluation:              # measured on the test set"
    yield "- name: classification"
    yield "  efficiencies: [0.3, 0.5]   # signal efficiencies for the background rejection"


def _json(value: Any) -> str:
    """Return a value as JSON, which is valid YAML."""
    return json.dumps(value, ensure_ascii=False)
