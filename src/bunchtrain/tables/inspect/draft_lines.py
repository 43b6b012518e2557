"""Lines of a drafted study that are the same for several shapes of data."""

from __future__ import annotations

import glob
import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import PurePath
from typing import Any

from bunchtrain.tables.cache.recipe import RESERVED
from bunchtrain.tables.inspect.column_roles import Candidate, Roles, as_expression, has_momentum
from bunchtrain.tables.inspect.inspection import TableSummary
from bunchtrain.tables.inspect.opening import OpenedFiles

_MAX_INPUTS, _MAX_LISTED = 100, 20


@dataclass(frozen=True)
class Decision:
    """What was decided on one part of a study, and why."""

    part: str
    choice: str
    reason: str


@dataclass(frozen=True)
class Body:
    """The lines of a study after its source, and what was decided.

    add  of the source: column → pattern of a file name → value.
    """

    lines: list[str]
    decisions: list[Decision]
    add: dict[str, dict[str, int]] = field(default_factory=dict)


def head(opened: OpenedFiles, table: TableSummary) -> Iterator[str]:
    """Yield the first lines."""
    yield "# A first study, written by `bunchtrain init` from the columns of the files."
    yield f"# {opened.paths[0]}: {table.name}, {table.rows}, {len(table.columns)} columns."
    yield "# `bunchtrain inspect FILE` lists the columns, `bunchtrain parts` the available parts,"
    yield "# `bunchtrain check STUDY` what a run would need."
    yield "title: A first look"
    yield "# note: One sentence that is printed with the results."
    yield "seed: 1"
    yield ""


def source(opened: OpenedFiles, files: Sequence[str], body: Body) -> Iterator[str]:
    """Yield the source."""
    yield "source:"
    yield "  name: files"
    yield f"  files: {as_json(list(files))}"
    yield "  # units: MeV           # if energies are not in GeV: they are converted to GeV"
    if opened.tree is not None:
        more = f"  # or {', '.join(opened.others[:_MAX_LISTED])}" if opened.others else ""
        yield f"  tree: {as_json(opened.tree)}{more}"
    if body.add:
        yield "  # Class index of each file; edit it to match the content of the files."
        yield f"  add: {as_json(body.add)}"
    yield ""


def pattern(path: str, paths: Sequence[str]) -> str:
    """Return a pattern that matches this file only: its name, if it is unique, else its path."""
    name = PurePath(path).name
    same = [one for one in paths if PurePath(one).name == name]
    return glob.escape(name if len(same) == 1 else path)


def listed(title: str, candidates: Sequence[Candidate]) -> Iterator[str]:
    """Yield a comment that lists columns which may have a role."""
    if not candidates:
        return
    yield f"# {title}:"
    for one in candidates[:_MAX_LISTED]:
        values = ", ".join(map(str, one.column.values[:8]))
        more = ", ..." if len(one.column.values) > 8 else ""
        yield f"#   {one.name}{f' ({values}{more})' if values else ''}: {one.reason}"
    if len(candidates) > _MAX_LISTED:
        yield f"#   and {len(candidates) - _MAX_LISTED} more"


def weights_and_split(roles: Roles) -> Iterator[str]:
    """Yield the candidates of the event weight, and a random split."""
    if roles.weights:
        yield from listed("Columns that may be event weights", roles.weights)
        yield "# weights:"
        yield f"#   event: {as_expression(roles.weights[0].name)}"
        if any(c.column.range and c.column.range[0] < 0 for c in roles.weights):
            yield "#   negative: keep       # some weights are negative"
    yield "split:"
    yield "  name: fraction         # random fractions for training, validation and test"
    if roles.keys:
        names = [one.name for one in roles.keys]
        key = names[0] if len(names) == 1 else names
        yield f"  key: {as_json(key)}  # {roles.keys[0].reason}"
    yield ""


def table_inputs(table: TableSummary, roles: Roles, features: Sequence[str]) -> Iterator[str]:
    """Yield a representation of these features, with the reasons against other columns."""
    of_lists = any(one.startswith("max(") for one in features)  # NaN for an empty list
    if of_lists or not table.complete or any(c.nans or c.infinities for c in table.columns):
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
        yield f"  {'# ' if index >= _MAX_INPUTS else ''}- {as_json(feature)}"
    yield ""


def lists_of_particles(roles: Roles) -> Iterator[str]:
    """Yield a comment on the groups of lists, and how a network is trained on one of them."""
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
        yield f"# representation: {{name: point_cloud, group: {as_json(usable[0])}}}"
        yield "# model: particle_flow_network"
    yield ""


def spectators(names: Sequence[str]) -> Iterator[str]:
    """Yield the columns that are stored with the predictions."""
    kept = [name for name in dict.fromkeys(names) if name not in RESERVED]
    if kept:
        yield f"spectators: {as_json(kept)}  # not inputs; stored with the predictions"


def as_json(value: Any) -> str:
    """Return a value as JSON, which is valid YAML."""
    return json.dumps(value, ensure_ascii=False)
