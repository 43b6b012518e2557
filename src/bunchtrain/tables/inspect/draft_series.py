"""Draft for a series: windows of rows in the order of time, with a split by time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import UserError, nearest
from bunchtrain.tables.column_types import kind
from bunchtrain.tables.expressions.times import as_seconds
from bunchtrain.tables.inspect.column_roles import CERTAIN, Roles, as_expression, words
from bunchtrain.tables.inspect.draft_events import unlabelled_models
from bunchtrain.tables.inspect.draft_lines import Body, Decision, as_json
from bunchtrain.tables.inspect.first_target import literal
from bunchtrain.tables.inspect.inspection import ColumnSummary, TableSummary
from bunchtrain.tables.inspect.opening import OpenedFiles
from bunchtrain.tables.transforms.series import SeriesRows

_TIMES = {"time", "timestamp", "datetime", "date", "utc", "t", "seconds", "unixtime"}
#: Rows that are read for the order, rows of the shortest series, and fraction of regular steps.
_ROWS, _SHORTEST, _REGULAR = 2_000_000, 50, 0.8
_LENGTH, _LATENT, _MAX_COLUMNS = 30, 6, 50
_TRAIN, _VALIDATION = 0.6, 0.8


@dataclass(frozen=True)
class SeriesTable:
    """Rows in the order of time.

    series  column that changes where another series begins, None for one series.
    row     (rows,) index of each row in its series; `shortest`: rows of the shortest.
    step    median step of the time, in seconds for times.
    """

    time: str
    series: str | None
    count: int
    shortest: int
    step: float
    row: NDArray[np.int64]
    inputs: list[str]


def find_series(
    opened: OpenedFiles, table: TableSummary, roles: Roles, time: str | None
) -> SeriesTable | None:
    """Return the series of a table whose time never goes back and has regular steps, else None.

    time  its column; recognised by its type or name if None.

    Raises UserError if the rows are not in the order of a time that the user names.
    """
    if len(opened.paths) > 1 or any(column.is_list for column in table.columns):
        return None
    names = {column.name: column for column in table.columns}
    if time is not None and time not in names:
        raise UserError(f"--time: there is no column '{time}'{nearest(time, names)}")
    times = [time] if time else [c.name for c in table.columns if _is_time(c)]
    keys = [c.name for c in table.columns if _may_be_series(c) and c.name not in times]
    for name in times:
        found = _in_order(opened, name, [key for key in keys if key != name])
        if found is None:
            continue
        series, seconds, row, count = found
        steps = np.diff(seconds)[row[1:] > 0]
        middle = float(np.median(steps)) if len(steps) else 0.0
        regular = np.mean(np.abs(steps - middle) <= 0.5 * abs(middle)) if len(steps) else 0.0
        if time is None and (middle <= 0 or regular < _REGULAR):
            continue
        lengths = np.diff([*np.flatnonzero(row == 0), len(row)])
        others = {name, series}
        inputs = [c.name for c in roles.inputs if c.name not in others]
        if inputs and int(np.median(lengths)) >= _SHORTEST:
            shortest = int(lengths.min())
            return SeriesTable(name, series, count, shortest, middle, row, inputs)
    if time is not None:
        raise UserError(
            f"--time: the rows are not in the order of '{time}', or of it in each series of one "
            "column; sort them, or use --time none"
        )
    return None


def _is_time(column: ColumnSummary) -> bool:
    if column.type.startswith("datetime"):
        return True
    numbers = column.range is not None and column.range[0] < column.range[1]
    found = set(words(column.name))
    return numbers and not column.nans and bool(found) and found <= _TIMES


def _may_be_series(column: ColumnSummary) -> bool:
    is_number = column.is_integer and column.range is not None
    return (column.type == "string" or is_number) and column.distinct > 1


def _in_order(
    opened: OpenedFiles, time: str, keys: Sequence[str]
) -> tuple[str | None, NDArray[np.float64], NDArray[np.int64], int] | None:
    """Return the column of the series, the times, the row in the series and the number of series.

    A column of the series has one block of rows for each of its values, and the time goes back only
    where another block begins.
    """
    blocks, rows = [], 0
    for block in opened.whole_tables()[0].blocks([time, *keys], 200_000):
        blocks.append(block)
        rows += len(block)
        if rows >= _ROWS:
            break
    events = ak.concatenate(blocks)
    times = events[time]
    if kind(times) not in ("time", "integer", "float"):
        return None
    seconds = np.asarray(ak.to_numpy(as_seconds(times)), np.float64)
    if len(seconds) < 2 or not np.isfinite(seconds).all():
        return None
    back = np.diff(seconds) < 0
    candidates = [(key, found) for key in keys if (found := _starts(events[key])) is not None]
    candidates = [(key, found) for key, found in candidates if not np.any(back & ~found[1:])]
    candidates.sort(key=lambda one: int(one[1].sum()))
    named = [(k, found) for k, found in candidates if kind(events[k]) == "text"] or candidates
    if named and (back.any() or kind(events[named[0][0]]) == "text"):
        series, starts = named[0]
        position = SeriesRows(series)(events[[series]])
        return series, seconds, position[1], int(starts.sum())
    if back.any():
        return None
    return None, seconds, np.arange(len(seconds)), 1


def _starts(values: Any) -> NDArray[np.bool_] | None:
    """Return whether each row begins a block of equal values, None if a value has several."""
    starts = np.ones(len(values), bool)
    starts[1:] = ak.to_numpy(values[1:] != values[:-1])
    first = values[starts]
    is_single = len(set(first.to_list())) == int(starts.sum())
    return starts if is_single and starts.sum() * _SHORTEST <= len(values) else None


def series_body(
    opened: OpenedFiles, table: TableSummary, roles: Roles, found: SeriesTable, target: str | None
) -> Body:
    """Return a study of the windows of a series: what is unlike the beginning is an anomaly.

    target  column that is an anomaly label, recognised if None.
    """
    length = max(2, min(_LENGTH, found.shortest // 10))
    inside = found.row[found.row >= length - 1]
    limits = [int(np.quantile(inside, part)) for part in (_TRAIN, _VALIDATION)]
    limits[1] = max(limits[1], limits[0] + 1)
    label = _label(opened, roles, found, target)
    columns = [name for name in found.inputs if name != (label and label.name)][:_MAX_COLUMNS]
    features = [as_expression(f"window_{name}") for name in columns]
    scale = min(limits[0], max(2, found.shortest // 2)) if found.series else None
    windows = {"length": length, "series": found.series, "time": found.time, "scale": scale}
    given = {k: v for k, v in windows.items() if v is not None} | {"columns": columns}
    split = {
        "name": "time",
        "column": "series_row",
        "validation_from": limits[0],
        "test_from": limits[1],
    }
    latent = min(_LATENT, max(1, len(features) * length // 4))
    lines = [
        f"# The rows are in the order of '{found.time}': a row of the study is a window, the last",
        f"# {length} values of each column; `scale` standardises each series by its beginning.",
        f"windows: {as_json(given)}",
        "# Early rows of each series are for training, later ones for validation, the last for the",
        "# test: no future is in the training.",
        f"split: {as_json(split)}",
        *_truth(label, found, limits[1]),
        "spectators: [series_index, series_row]",
        *_missing(table, columns),
        "representation:",
        "  name: window",
        f"  length: {length}",
        "  features:",
        *(f"  - {as_json(text)}" for text in features),
        *unlabelled_models(latent),
    ]
    several = f"{found.count} of '{found.series}'" if found.series else "one"
    step = f"'{found.time}' never goes back; median step {found.step:g}"
    decisions = [
        Decision("series", several, step),
        Decision("windows", f"{length} rows of {len(columns)} columns", "regular steps"),
        Decision("split", f"by time, test from row {limits[1]}", "no future in the training"),
        _decision(label),
        Decision("models", "autoencoder, pca, isolation_forest", "trained without labels"),
    ]
    return Body([*lines, ""], decisions)


def _decision(label: _Label | None) -> Decision:
    if label is None:
        return Decision("truth", "none", "no column is an anomaly label; --target COLUMN if one is")
    return Decision("truth", label.name, "its name is that of a label; only evaluations use it")


@dataclass(frozen=True)
class _Label:
    name: str
    normal: Any
    is_in: NDArray[np.bool_]


def _label(
    opened: OpenedFiles, roles: Roles, found: SeriesTable, target: str | None
) -> _Label | None:
    """Return the anomaly label: its most frequent value is normal."""
    labels = [one.name for one in roles.targets if one.reason == CERTAIN[0]]
    names = [target] if target not in (None, "none") else labels if target is None else []
    for name in names[:1]:
        table = opened.whole_tables()[0]
        if name not in table.fields():
            raise UserError(f"--target: there is no column '{name}'{nearest(name, table.fields())}")
        values = ak.concatenate([block[name] for block in table.blocks([name], 200_000)])
        numbers = np.asarray(values.to_list())[: len(found.row)]
        distinct, counts = np.unique(numbers, return_counts=True)
        if not 2 <= len(distinct) <= 12:
            continue
        normal = distinct[np.argmax(counts)]
        return _Label(str(name), normal.item(), numbers != normal)
    return None


def _truth(label: _Label | None, found: SeriesTable, test_from: int) -> Iterator[str]:
    if label is None:
        yield "# truth: {state: {classes: {normal: a == 0, anomaly: a == 1}}}   # for evaluations"
        yield "evaluation: [anomaly_scores]   # of the test set, and its most unusual rows"
        return
    name, normal = as_expression(label.name), literal(label.normal)
    classes = {"normal": f"{name} == {normal}", "anomaly": f"{name} != {normal}"}
    yield f"truth: {{state: {{classes: {as_json(classes)}}}}}   # for evaluations only"
    test = label.is_in[found.row >= test_from]
    if test.any() and not test.all():
        yield "evaluation: [anomaly_detection, alarm_rates]"
    else:
        yield "# The test set has rows of one class only: no evaluation can compare both."
        yield "evaluation: [anomaly_scores]"


def _missing(table: TableSummary, columns: Sequence[str]) -> Iterator[str]:
    if any(c.nans or c.infinities for c in table.columns if c.name in columns):
        yield "invalid: impute          # NaN and infinity become the median of the training set"
