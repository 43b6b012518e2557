"""Streaming mean, standard deviation, extremes and quantiles of columns in blocks."""

from __future__ import annotations

import torch
from torch import Tensor

#: Size of the random sample for quantiles, in values.
SAMPLE = 2_000_000
#: A scale below this fraction of the largest value is rounding: the column is constant.
ROUNDING = 1e-6


class Statistics:
    """Statistics of the columns of blocks (rows, ...), over their finite values.

    Mean and variance are merged block by block (Chan, Golub and LeVeque 1983); quantiles come from
    a uniform random sample of rows, reproducible for the same blocks, if `sampled` is set.
    """

    def __init__(self, shape: tuple[int, ...], sampled: bool = True, seed: int = 0) -> None:
        zeros = torch.zeros(shape, dtype=torch.float64)
        self.count, self.mean, self._squares = zeros, zeros, zeros
        self._extremes = torch.stack([zeros + torch.inf, zeros - torch.inf])
        self._random = torch.Generator().manual_seed(seed)
        self._sample, self._keys = torch.zeros(0, *shape), torch.zeros(0)
        self._rows = max(1, SAMPLE // max(1, zeros.numel())) if sampled else 0

    def add(self, values: Tensor) -> None:
        """Add one more block."""
        x = values.detach().double()
        finite = torch.isfinite(x)
        self._merge(torch.where(finite, x, 0), finite)
        low = torch.where(finite, x, torch.inf)
        high = torch.where(finite, x, -torch.inf)
        lowest = torch.cat([low, self._extremes[:1]]).amin(0)
        highest = torch.cat([high, self._extremes[1:]]).amax(0)
        self._extremes = torch.stack([lowest, highest])
        if self._rows:
            self._draw(values.detach())

    def _merge(self, x: Tensor, finite: Tensor) -> None:
        count = finite.sum(0).double()
        mean = x.sum(0) / count.clamp(min=1)
        squares = torch.where(finite, x - mean, 0).square().sum(0)
        total = (self.count + count).clamp(min=1)
        difference = mean - self.mean
        self._squares = self._squares + squares + difference**2 * self.count * count / total
        self.mean = self.mean + difference * count / total
        self.count = self.count + count

    def _draw(self, rows: Tensor) -> None:
        """Keep the rows with the smallest random keys: a uniform sample of all rows so far."""
        keys = torch.cat([self._keys, torch.rand(len(rows), generator=self._random)])
        if len(keys) <= self._rows:
            self._sample, self._keys = torch.cat([self._sample, rows.float()]), keys
            return
        chosen = keys.topk(self._rows, largest=False).indices
        self._sample = torch.cat([self._sample, rows.float()])[chosen]
        self._keys = keys[chosen]

    @property
    def smallest(self) -> Tensor:
        """The smallest finite value of each column; 0 without any."""
        return torch.where(self.count > 0, self._extremes[0], 0).float()

    @property
    def largest(self) -> Tensor:
        """The largest finite value of each column; 0 without any."""
        return torch.where(self.count > 0, self._extremes[1], 0).float()

    def quantile(self, fraction: float) -> Tensor:
        """Return the value below which this fraction of the sample lies; 0 without any."""
        finite = torch.where(torch.isfinite(self._sample), self._sample, torch.nan)
        ordered = finite.sort(0).values  # NaN comes last
        count = torch.isfinite(ordered).sum(0)
        place = ((count - 1).clamp(min=0) * fraction).double()
        low, high = place.floor().long(), place.ceil().long()
        if not len(ordered):
            return torch.zeros_like(self.smallest)
        below, above = (ordered.gather(0, index[None])[0] for index in (low, high))
        value = torch.lerp(below, above, (place - low).float())
        return torch.where(count > 0, value, 0)

    def location_and_scale(self, kind: str) -> dict[str, Tensor]:
        """Return `shift` and `scale`.

        They are mean and standard deviation, median and quartile range, or 0 and 1.
        """
        if kind == "none":
            return {
                "shift": torch.zeros_like(self.smallest),
                "scale": torch.ones_like(self.smallest),
            }
        if kind == "standard":
            shift, scale = self.mean, (self._squares / self.count.clamp(min=1)).sqrt()
        else:
            shift, scale = self.quantile(0.5), self.quantile(0.75) - self.quantile(0.25)
        size = torch.maximum(self.smallest.abs(), self.largest.abs())
        scale = torch.where(scale > ROUNDING * size, scale, 1)  # a constant column
        return {"shift": shift.float(), "scale": scale.float()}
