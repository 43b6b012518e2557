"""Measurement: a metric with its statistical error, and its spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Metrics = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Measurement:
    """A value and its statistical error, both in the unit of the value.

    value     if `limit` is set a lower limit at 95 % confidence, without an error.
    seed_std  standard deviation between the trainings whose mean the value is.
    seeds     number of these trainings.
    """

    value: float
    error: float = math.nan
    limit: bool = False
    seed_std: float = math.nan
    seeds: int = 1

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return "–"
        if self.limit:
            return f"> {_format_digits(self.value, 2)}"
        if not (math.isfinite(self.error) and self.error > 0):
            return f"{self.value:.4g}"
        decimals = _decimals(self.error)
        return f"{_format(self.value, decimals)} ± {_format(self.error, decimals)}"

    @property
    def seed_text(self) -> str:
        """The standard deviation between trainings, e.g. "seeds ± 0.02"; '' of a single one."""
        if self.seeds < 2 or not math.isfinite(self.seed_std):
            return ""
        if self.seed_std == 0:
            return "seeds ± 0"
        return f"seeds ± {_format(self.seed_std, _decimals(self.seed_std))}"

    def as_dict(self) -> dict[str, Any]:
        """Return `{value, error}` for JSON, None where a number is not finite."""
        entry: dict[str, Any] = {"value": _finite(self.value), "error": _finite(self.error)}
        if self.seeds > 1:
            entry |= {"seed_std": _finite(self.seed_std), "seeds": self.seeds}
        return entry | {"limit": "lower"} if self.limit else entry

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Measurement:
        """Return the measurement from `as_dict`; `deviation` is the old key of `seed_std`."""
        seed_std = entry.get("seed_std", entry.get("deviation"))
        value, error, std = (
            math.nan if number is None else float(number)
            for number in (entry.get("value"), entry.get("error"), seed_std)
        )
        limit, seeds = entry.get("limit") == "lower", int(entry.get("seeds", 1))
        return cls(value, error, limit, std, seeds)


def measurements(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Measurement]:
    """Return the metrics of one model, as in `metrics.json`, as measurements by name."""
    return {name: Measurement.from_dict(entry) for name, entry in metrics.items()}


def average_seeds(trainings: Sequence[Metrics]) -> Metrics:
    """Return the mean of each metric over trainings that differ by their seed.

    `value` is the mean, as the comparison of taggers quotes it (arXiv:1902.09914); `error` the
    mean statistical error, no smaller than that of one training, since all have the same test
    set; `seed_std` the standard deviation between the trainings (n − 1). Other keys of a metric,
    such as its cut, are those of the first training. If one training has only a limit, so has the
    mean.
    """
    if len(trainings) < 2:
        return dict(trainings[0]) if trainings else {}
    return {name: _average([one[name] for one in trainings]) for name in trainings[0]}


def _average(entries: Sequence[dict[str, object]]) -> dict[str, object]:
    found = [Measurement.from_dict(entry) for entry in entries]
    values = np.array([one.value for one in found])
    limit = any(one.limit for one in found)
    error = math.nan if limit else float(np.mean([one.error for one in found]))
    std = float(values.std(ddof=1))
    average = Measurement(float(values.mean()), error, limit, std, len(found))
    return {**entries[0], **average.as_dict()}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _decimals(error: float) -> int:
    """Return the last decimal worth showing: the second digit of errors like 46 or 0.013."""
    exponent = math.floor(math.log10(error))
    two_digits = error >= 10 or error / 10**exponent < 3.55
    return int(two_digits) - exponent


def _format(value: float, decimals: int) -> str:
    return f"{round(value, decimals):.{max(decimals, 0)}f}"


def _format_digits(value: float, digits: int) -> str:
    decimals = digits - 1 - math.floor(math.log10(abs(value))) if value else 0
    return _format(value, decimals)
