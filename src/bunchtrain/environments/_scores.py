"""Scores of the background and signal rows of a table: fractions that pass, and quantiles."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cached_property

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.tables.expressions.expression import Expression
from bunchtrain.tables.table import Table

_ROWS = 100_000
#: Points at which the fraction that passes one of several thresholds is tabulated.
_GRID = 200
_Floats = NDArray[np.float64]
_Scores = NDArray[np.float32]


class Sample:
    """Scores of background and signal rows.

    names       of the scores.
    background  (rows, scores).
    signal      (rows, scores).
    """

    def __init__(self, names: Sequence[str], background: _Scores, signal: _Scores) -> None:
        self.names, self._background, self._signal = list(names), background, signal
        both = np.concatenate([background, signal])
        self.low, self.high, self.signal_rows = both.min(0), both.max(0), len(signal)
        self._sorted = np.sort(background, 0), np.sort(signal, 0)

    def background_fraction(self, thresholds: _Floats) -> _Floats:
        """Return the fraction of the background with a score of at least its threshold.

        thresholds  (episodes, scores).
        """
        return _passing(self._background, self._sorted[0], thresholds)

    def signal_fraction(self, thresholds: _Floats) -> _Floats:
        """Return the same fraction of the signal."""
        return _passing(self._signal, self._sorted[1], thresholds)

    def quantiles(self, position: _Floats) -> _Scores:
        """Return the scores of the background below which 1 − position of it lies.

        position  (episodes, scores, ...) from 0 to 1.
        """
        rows, ordered = len(self._background), self._sorted[0]
        index = np.clip(rows - 1 - np.floor(position * rows).astype(np.int64), 0, rows - 1)
        scores = np.arange(len(self.names)).reshape(1, -1, *[1] * (position.ndim - 2))
        return ordered[index, scores]

    def thresholds(self, fraction: _Floats) -> _Scores:
        """Return the thresholds that this fraction of the background passes, (episodes, scores).

        With several scores, the same fraction passes each of them.
        """
        each = np.clip(fraction, 0, 1)
        if len(self.names) > 1:
            tails, passing = self._common
            each = np.interp(each, passing, tails)
        rows, ordered = len(self._background), self._sorted[0]
        index = np.clip(rows - np.round(each * rows).astype(np.int64), 0, rows - 1)
        return ordered[index]

    @cached_property
    def _common(self) -> tuple[_Floats, _Floats]:
        """Fractions that pass each score, and those that pass any of them."""
        rows, ordered = len(self._background), self._sorted[0]
        tails = np.geomspace(1 / rows, 1, _GRID)
        index = np.clip(rows - np.round(tails * rows).astype(np.int64), 0, rows - 1)
        passing = _passing(self._background, ordered, ordered[index].astype(np.float64))
        return np.append(0, tails), np.append(0, passing)


def _passing(scores: _Scores, ordered: _Scores, thresholds: _Floats) -> _Floats:
    limit = thresholds.astype(np.float32)
    if scores.shape[1] == 1:
        found: _Floats = 1 - np.searchsorted(ordered[:, 0], limit[:, 0], "left") / len(scores)
        return found
    return np.array([(scores >= one).any(1).mean() for one in limit])  # a pass for each episode


def read_sample(table: Table, scores: Mapping[str, str], signal: str, rows: int) -> Sample:
    """Return the scores of the first rows of a table.

    scores  name → expression.
    signal  expression that is true for the signal.

    Raises DataError for an unknown column, a score that is not finite, or without rows of signal
    and of background.
    """
    expressions = {name: Expression(text) for name, text in scores.items()}
    is_signal = Expression(signal)
    columns = set().union(is_signal.columns, *(one.columns for one in expressions.values()))
    values, labels, left = list[_Scores](), list[NDArray[np.bool_]](), rows
    for block in table.blocks(sorted(columns), min(rows, _ROWS)):
        read = block[:left]
        found = [ak.to_numpy(one(read)).astype(np.float32) for one in expressions.values()]
        values.append(np.stack(found, 1))
        labels.append(ak.to_numpy(is_signal(read)).astype(bool))
        left -= len(read)
        if left <= 0:
            break
    if not values or not (label := np.concatenate(labels)).any() or label.all():
        raise DataError(
            f"environment 'event_stream': '{signal}' must be true for some rows of the table and "
            "false for others"
        )
    read_scores = np.concatenate(values)
    if not np.isfinite(read_scores).all():
        row, k = np.argwhere(~np.isfinite(read_scores))[0]
        raise DataError(
            f"environment 'event_stream': score '{list(scores)[k]}' is not finite at "
            f"{table.place(int(row))}; select rows with a score"
        )
    return Sample(list(scores), read_scores[~label], read_scores[label])
