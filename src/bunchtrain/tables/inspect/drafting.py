"""Draft of a first study for files, from their inspection: `bunchtrain init FILE…`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from bunchtrain.errors import UserError
from bunchtrain.tables.inspect.column_roles import GIVEN, LABELLED, guess_roles
from bunchtrain.tables.inspect.draft_events import target_body, unlabelled_body
from bunchtrain.tables.inspect.draft_lines import Body, Decision, head, source
from bunchtrain.tables.inspect.draft_objects import find_object, object_body
from bunchtrain.tables.inspect.draft_points import find_points, points_body
from bunchtrain.tables.inspect.draft_series import find_series, series_body
from bunchtrain.tables.inspect.first_target import named_target, possible_target, sure_target
from bunchtrain.tables.inspect.inspection import TableSummary
from bunchtrain.tables.inspect.opening import OpenedFiles, open_files

#: What the user gives as `--target` for a study without one, as `--time` for rows without order.
NONE = "none"


@dataclass(frozen=True)
class Draft:
    """The text of a study, and what was decided and why."""

    text: str
    decisions: list[Decision]


@dataclass(frozen=True)
class Hints:
    """What the user says about ambiguous files.

    target  column that is predicted, `none` for a study without labels; recognised if None.
    rows    prefix of the object that is a row, or of several objects of an event.
    time    column of the time of a series, `none` if the rows are no series; recognised if None.
    """

    target: str | None = None
    rows: str | Sequence[str] | None = None
    time: str | None = None


def sketch(
    files: Sequence[str], hints: Hints | None = None, *, tree: str | None = None, rows: int = 10_000
) -> Draft:
    """Return a commented study for these files, which runs without an edit.

    A series has a time at regular steps; hits have a position and a label of each; an object has a
    momentum and a label of its own. Other rows have a label or, without one, a description by an
    autoencoder and its classical baselines.

    Args:
        files: paths and globs of files with the same columns.
        hints: of the user.
        tree: of files with several trees; that with the most columns if None.
        rows: of a sample over the whole file, from which columns are described.

    Raises DataError if no file has a column that can be an input.
    """
    opened = open_files(files, tree)
    table = opened.describe(rows)
    body = _body(opened, table, hints or Hints(), rows)
    lines = [*head(opened, table), *source(opened, files, body), *body.lines]
    text = "\n".join(lines) + "\n"
    return Draft(text, [Decision("table", table.name, table.rows), *body.decisions])


def _body(opened: OpenedFiles, table: TableSummary, hints: Hints, rows: int) -> Body:
    """Return the lines of the first shape that the table has."""
    roles = guess_roles(table)
    if hints.rows is not None:
        return object_body(opened, hints.rows, "it was named", rows, hints.target)
    if hints.time != NONE and (series := find_series(opened, table, roles, hints.time)):
        return series_body(opened, table, roles, series, hints.target)
    if hints.target == NONE:
        return unlabelled_body(opened, table, roles)
    if hints.target is not None and not _is_list(table, hints.target):
        return target_body(opened, table, roles, named_target(opened, table, hints.target))
    certain = None if hints.target else sure_target(opened, roles)
    found = find_object(opened, table, roles, hints.target)
    if found is not None and (certain is None or certain.columns <= found.columns):
        why = GIVEN if hints.target else LABELLED
        return object_body(opened, found.prefixes, found.reason, rows, found.target, why)
    if certain is None and (points := find_points(opened, table, roles, hints.target)):
        return points_body(table, roles, points)
    if hints.target is not None:
        raise UserError(
            f"--target: the lists of '{hints.target}' belong to no group with a position or a "
            "momentum, such as hit_x, hit_y or Jet_pt, Jet_eta, Jet_phi"
        )
    target = certain or possible_target(opened, roles)
    if target is None:
        return unlabelled_body(opened, table, roles)
    return target_body(opened, table, roles, target)


def _is_list(table: TableSummary, name: str) -> bool:
    return any(column.name == name and column.is_list for column in table.columns)
