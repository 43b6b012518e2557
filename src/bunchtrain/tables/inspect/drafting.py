"""Draft of a first study for files, from their inspection: `bunchtrain init FILE…`."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import PurePath
from typing import Any

from bunchtrain.errors import DataError
from bunchtrain.tables.cache.recipe import RESERVED
from bunchtrain.tables.inspect.column_roles import (
    Candidate,
    Roles,
    as_expression,
    guess_roles,
    has_momentum,
)
from bunchtrain.tables.inspect.first_target import FirstTarget, choose_target, reductions
from bunchtrain.tables.inspect.inspection import ColumnSummary, Inspection, TableSummary, inspect
from bunchtrain.tables.reading.paths import resolve

_MAX_INPUTS, _MAX_LISTED = 100, 20


@dataclass(frozen=True)
class Draft:
    """The text of a study, and one sentence on its target and what to edit."""

    text: str
    note: str


def draft(files: Sequence[str], *, tree: str | None = None, rows: int = 10_000) -> str:
    """Return a commented study in YAML for these files, which runs without an edit."""
    return sketch(files, tree=tree, rows=rows).text


def sketch(files: Sequence[str], *, tree: str | None = None, rows: int = 10_000) -> Draft:
    """Return a commented study for these files, with one sentence on what to edit.

    The target is a column with the name or the values of a label; or the index of the file, if
    there are several; or, without either, one column is predicted from the others.

    Args:
        files: paths and globs of files with the same columns.
        tree: of files with several trees; that with the most columns if None.
        rows: of a sample over the whole file, from which columns are described.

    Raises DataError if no file has a column that can be an input.
    """
    paths = resolve(list(files))
    found = [inspect(path, rows, tree=named or tree) for path, named in paths]
    table = _merge([_widest_table(one) for one in found])
    several = len(found[0].tables) > 1 or tree is not None
    opened = [(path, table.name if several or named else None) for path, named in paths]
    roles = guess_roles(table)
    target = choose_target(table, roles, opened)
    inputs = _inputs_of(table, roles, target, found[0].path)
    lines = [
        *_head(found, table),
        *_source(found, files, table, several, target),
        *_select(target),
        *_targets(roles, target),
        *_weights_and_split(roles),
        *_inputs(table, roles, inputs),
        *_model_and_evaluation(roles, target),
    ]
    return Draft("\n".join(lines) + "\n", target.note)


def _widest_table(inspection: Inspection) -> TableSummary:
    """Return the table with the most columns, of those with at least ten rows if there are any."""
    tables = [table for table in inspection.tables if table.columns]
    if not tables:
        reasons = [*inspection.unreadable.values()]
        reasons += [r for table in inspection.tables for r in table.unreadable.values()]
        reason = f" ({reasons[0]})" if reasons else ""
        raise DataError(
            f"{inspection.path} has no table of events{reason}; give a file with one row per event"
        )
    return max(tables, key=lambda t: (t.sampled >= 10, t.sampled > 0, len(t.columns)))


def _merge(tables: Sequence[TableSummary]) -> TableSummary:
    """Return the summary of files with the same columns as one table."""
    if len(tables) == 1:
        return tables[0]
    columns = []
    for first in tables[0].columns:
        same = [c for table in tables for c in table.columns if c.name == first.name]
        if len(same) == len(tables):
            columns.append(_merge_column(same))
    known = all(table.entries is not None for table in tables)
    entries = sum(table.entries or 0 for table in tables) if known else None
    sampled = sum(table.sampled for table in tables)
    return replace(tables[0], entries=entries, sampled=sampled, columns=columns)


def _merge_column(same: Sequence[ColumnSummary]) -> ColumnSummary:
    ranges = [c.range for c in same if c.range is not None]
    edges = (min(r[0] for r in ranges), max(r[1] for r in ranges)) if ranges else None
    listed = all(c.values for c in same if c.distinct)
    values = tuple(sorted({v for c in same for v in c.values}, key=str)) if listed else ()
    return replace(
        same[0],
        range=edges,
        nans=sum(c.nans for c in same),
        infinities=sum(c.infinities for c in same),
        values=values,
        distinct=len(values) or max(c.distinct for c in same),
        is_integer=all(c.is_integer for c in same),
    )


def _inputs_of(table: TableSummary, roles: Roles, target: FirstTarget, path: str) -> list[str]:
    """Return the expressions of the inputs, without those from which the target is made."""
    flat = [as_expression(c.name) for c in roles.inputs if c.name not in target.columns]
    found = [name for name in flat if name not in RESERVED]
    if len(found) < 3:
        found += [text for text in reductions(roles) if text not in target.expressions]
    if not found:  # rather numbers without meaning than a study that cannot be run
        identifiers = [c.name for c in roles.excluded if c.reason != "constant"]
        found = [as_expression(name) for name in identifiers if name not in target.columns]
    if not found:
        raise DataError(
            f"{path}: no column is left as an input, since {_why_none(table, roles)}; "
            "give a file with at least two columns of numbers that vary"
        )
    return found


def _why_none(table: TableSummary, roles: Roles) -> str:
    reasons = {
        **{c.name: "text" for c in table.columns if c.type == "string"},
        **{c.name: c.reason for c in roles.excluded},
    }
    listed = [f"'{name}' is {reason}" for name, reason in list(reasons.items())[:4]]
    unreadable = list(table.unreadable)[:2]
    listed += [f"'{name}' cannot be read" for name in unreadable]
    return ", ".join(listed) if listed else f"it has {len(table.columns)} column"


def _head(found: list[Inspection], table: TableSummary) -> Iterator[str]:
    yield "# A first study, written by `bunchtrain init` from the columns of the files."
    yield f"# {found[0].path}: {table.name}, {table.rows}, {len(table.columns)} columns."
    yield "# `bunchtrain inspect FILE` lists the columns, `bunchtrain parts` the available parts,"
    yield "# `bunchtrain check STUDY` what a run would need."
    yield "title: A first look"
    yield "# note: One sentence that is printed with the results."
    yield "seed: 1"
    yield ""


def _source(
    found: list[Inspection],
    files: Sequence[str],
    table: TableSummary,
    several: bool,
    target: FirstTarget,
) -> Iterator[str]:
    yield "source:"
    yield "  name: files"
    yield f"  files: {_json(list(files))}"
    yield "  # units: MeV           # if energies are not in GeV: they are converted to GeV"
    if several:
        others = [one.name for one in found[0].tables if one.name != table.name]
        more = f"  # or {', '.join(others[:_MAX_LISTED])}" if others else ""
        yield f"  tree: {_json(table.name)}{more}"
    if target.by_file:
        yield "  # Class index of each file; edit it to match the content of the files."
        labels = {_pattern(one.path, found): index for index, one in enumerate(found)}
        yield f"  add: {_json({'label': labels})}"
    yield ""
    yield "# define:                # new columns, computed from expressions"
    yield "#   log_pt: log(pt)"


def _pattern(path: str, found: list[Inspection]) -> str:
    """Return a pattern that matches this file only: its name, if it is unique, else its path."""
    name = PurePath(path).name
    same = [one for one in found if PurePath(one.path).name == name]
    return glob.escape(name if len(same) == 1 else path)


def _select(target: FirstTarget) -> Iterator[str]:
    if target.select:
        yield f"select: {_json(target.select)}   # use only events that pass this condition"
    else:
        yield "# select: pt > 20        # use only events that pass this condition"
    yield ""


def _targets(roles: Roles, target: FirstTarget) -> Iterator[str]:
    yield f"# {target.note}"
    yield from _listed("Columns whose values may be classes", roles.targets)
    yield from _listed("Columns that may be predicted by a regression", roles.values[:5])
    yield "targets:"
    yield "  label:"
    yield f"    {'values' if target.is_regression else 'classes'}:"
    for name, text in target.content.items():
        yield f"      {_json(name)}: {_json(text)}"
    if target.signal:
        yield f"    signal: {_json(target.signal)}  # all other classes are background"
    yield ""


def _listed(title: str, candidates: Sequence[Candidate]) -> Iterator[str]:
    if not candidates:
        return
    yield f"# {title}:"
    for one in candidates[:_MAX_LISTED]:
        values = ", ".join(map(str, one.column.values[:8]))
        more = ", ..." if len(one.column.values) > 8 else ""
        yield f"#   {one.name}{f' ({values}{more})' if values else ''}: {one.reason}"
    if len(candidates) > _MAX_LISTED:
        yield f"#   and {len(candidates) - _MAX_LISTED} more"


def _weights_and_split(roles: Roles) -> Iterator[str]:
    if roles.weights:
        yield from _listed("Columns that may be event weights", roles.weights)
        yield "# weights:"
        yield f"#   event: {as_expression(roles.weights[0].name)}"
        if any(c.column.range and c.column.range[0] < 0 for c in roles.weights):
            yield "#   negative: keep       # some weights are negative"
    yield "split:"
    yield "  name: fraction         # random fractions for training, validation and test"
    if roles.keys:
        names = [one.name for one in roles.keys]
        key = names[0] if len(names) == 1 else names
        yield f"  key: {_json(key)}  # {roles.keys[0].reason}"
    yield ""


def _inputs(table: TableSummary, roles: Roles, features: list[str]) -> Iterator[str]:
    incomplete = not table.complete
    if incomplete or any(c.nans or c.infinities for c in table.columns):
        yield "invalid: impute          # NaN and infinity become the median of the training set"
    reasons: dict[str, list[str]] = {}
    for one in roles.excluded:
        reasons.setdefault(one.reason, []).append(one.name)
    for reason, names in reasons.items():
        more = f" and {len(names) - 8} more" if len(names) > 8 else ""
        yield f"# No inputs ({reason}): {', '.join(names[:8])}{more}"
    yield "representation:"
    yield "  name: table"
    yield "  features:"
    for index, feature in enumerate(features):
        yield f"  {'# ' if index >= _MAX_INPUTS else ''}- {_json(feature)}"
    yield ""
    if not roles.groups:
        return
    usable = [prefix for prefix, columns in roles.groups.items() if has_momentum(prefix, columns)]
    if usable:
        yield "# Lists of particles, grouped by prefix. To train a network on one of them, replace"
        yield "# `representation` above and `model` below by the last two lines of this comment:"
    else:
        yield "# Lists, grouped by prefix; none has a momentum, which networks on particles need:"
    for prefix, columns in list(roles.groups.items())[:_MAX_LISTED]:
        names_of = ", ".join(column.name for column in columns[:8])
        yield f"#   {prefix}: {names_of}{', ...' if len(columns) > 8 else ''}"
    if usable:
        yield f"# representation: {{name: point_cloud, group: {_json(usable[0])}}}"
        yield "# model: particle_flow_network"
    yield ""


def _model_and_evaluation(roles: Roles, target: FirstTarget) -> Iterator[str]:
    yield "model: boosted_trees"
    yield "# training: {epochs: 20, batch_size: 256}   # for networks"
    yield "# models:                # to compare several models on the same events"
    yield "#   trees: {model: boosted_trees}"
    yield "#   network: {model: dense_network}"
    kept = [one.name for one in roles.keys if one.name not in RESERVED]
    if kept:
        yield f"spectators: {_json(kept)}  # not inputs; stored with the predictions"
    yield ""
    yield "evaluation:              # measured on the test set"
    if target.is_regression:
        yield "- name: regression"
        return
    yield "- name: classification"
    yield "  efficiencies: [0.3, 0.5]   # signal efficiencies for the background rejection"


def _json(value: Any) -> str:
    """Return a value as JSON, which is valid YAML."""
    return json.dumps(value, ensure_ascii=False)
