"""Streaming mean, standard deviation, extremes and quantiles of columns in blocks."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from bunchtrain.batch import Array

#: Size of the random sample for quantiles, in values.
SAMPLE = 2_000_000
#: A scale below this fraction of the largest value is rounding: the column is constant.
ROUNDING = 1e-6
#: Values that are summed together.
CHUNK = 500_000


class Statistics:
    """Statistics of the columns of blocks (rows, ...), over their finite values.

    Mean and variance are merged block by block (Chan, Golub and LeVeque 1983); quantiles come from
    a uniform random sample of rows, reproducible for the same blocks, if `sampled` is set.
    """

    def __init__(self, shape: tuple[int, ...], sampled: bool = True, seed: int = 0) -> None:
        self.count, self.mean, self._squares = np.zeros((3, *shape))
        self._low, self._high = np.full(shape, np.inf), np.full(shape, -np.inf)
        self._random = np.random.default_rng(seed)
        self._sample, self._keys = np.zeros((0, *shape), np.float32), np.zeros(0)
        self._rows = max(1, SAMPLE // max(1, math.prod(shape))) if sampled else 0

    def add(self, values: Array) -> None:
        """Add one more block, whose temporary arrays are those of `CHUNK` values at a time."""
        rows = max(1, CHUNK // max(1, math.prod(self.mean.shape)))
        parts = [values[start : start + rows] for start in range(0, len(values), rows)]
        count, total = np.zeros((2, *self.mean.shape))
        for part in parts:
            x, finite = _finite(part)
            self._low = np.minimum(np.where(finite, x, np.inf).min(0), self._low)
            self._high = np.maximum(np.where(finite, x, -np.inf).max(0), self._high)
            count += finite.sum(0)
            total = _add_rows(total, x)
            if self._rows:
                self._draw(part)
        self._merge(parts, count, total / count.clip(min=1))

    def _merge(self, parts: Sequence[Array], count: Array, mean: Array) -> None:
        squares = np.zeros_like(mean)
        for part in parts:
            x, finite = _finite(part)
            squares = _add_rows(squares, np.square(np.where(finite, x - mean, 0)))
        total = (self.count + count).clip(min=1)
        difference = mean - self.mean
        self._squares = self._squares + squares
        self._squares = self._squares + difference**2 * self.count * count / total
        self.mean = self.mean + difference * count / total
        self.count = self.count + count

    def _draw(self, rows: Array) -> None:
        """Keep the rows with the smallest random keys: a uniform sample of all rows so far."""
        keys = np.concatenate([self._keys, self._random.random(len(rows))])
        sample = np.concatenate([self._sample, rows.astype(np.float32)])
        if len(keys) > self._rows:
            chosen = np.argpartition(keys, self._rows - 1)[: self._rows]
            sample, keys = sample[chosen], keys[chosen]
        self._sample, self._keys = sample, keys

    @property
    def smallest(self) -> Array:
        """The smallest finite value of each column; 0 without any."""
        return np.where(self.count > 0, self._low, 0).astype(np.float32)

    @property
    def largest(self) -> Array:
        """The largest finite value of each column; 0 without any."""
        return np.where(self.count > 0, self._high, 0).astype(np.float32)

    def quantile(self, fraction: float) -> Array:
        """Return the value below which this fraction of the sample lies; 0 without any."""
        if not len(self._sample):
            return np.zeros_like(self.smallest)
        ordered = np.sort(np.where(np.isfinite(self._sample), self._sample, np.nan), 0)
        count = np.isfinite(ordered).sum(0)  # NaN comes last
        place = (count - 1).clip(min=0) * fraction
        low, high = np.floor(place).astype(np.int64), np.ceil(place).astype(np.int64)
        below, above = (np.take_along_axis(ordered, i[None], 0)[0] for i in (low, high))
        value = below + (place - low).astype(np.float32) * (above - below)
        return np.where(count > 0, value, 0).astype(np.float32)

    def location_and_scale(self, kind: str) -> dict[str, Array]:
        """Return `shift` and `scale`.

        They are mean and standard deviation, with "common" the root of the mean variance of all
        columns, median and quartile range, or 0 and 1.
        """
        if kind == "none":
            return {
                "shift": np.zeros_like(self.smallest),
                "scale": np.ones_like(self.smallest),
            }
        if kind in ("standard", "common"):
            variance = self._squares / self.count.clip(min=1)
            if kind == "common":
                variance = np.full_like(variance, variance.mean())
            shift, scale = self.mean, np.sqrt(variance)
        else:
            shift, scale = self.quantile(0.5), self.quantile(0.75) - self.quantile(0.25)
        size = np.maximum(np.abs(self.smallest), np.abs(self.largest))
        scale = np.where(scale > ROUNDING * size, scale, 1)  # a constant column
        return {"shift": shift.astype(np.float32), "scale": scale.astype(np.float32)}


def _finite(values: Array) -> tuple[Array, Array]:
    """Return values as float64, 0 where they are not finite, and which are."""
    x = values.astype(np.float64)
    finite = np.isfinite(x)
    return (x if finite.all() else np.where(finite, x, 0)), finite


def _add_rows(total: Array, x: Array) -> Array:
    # Row after row, as in one sum over all: the result does not depend on the chunks.
    found: Array = np.concatenate([total[None], x]).sum(0)
    return found
