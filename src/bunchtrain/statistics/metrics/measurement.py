"""A measured number with its statistical error."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Metrics = dict[str, dict[str, Any]]


@dataclass(frozen=True)
class Measurement:
    """A value and its statistical error, both in the unit of the value.

    If `limit` is set, the value is a lower limit at 95 % confidence and has no error. The mean
    over `seeds` trainings has their standard deviation beside the statistical error.
    """

    value: float
    error: float = math.nan
    limit: bool = False
    deviation: float = math.nan
    seeds: int = 1

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return "–"
        if self.limit:
            return f"> {_significant(self.value, 2)}"
        if not (math.isfinite(self.error) and self.error > 0):
            return f"{self.value:.4g}"
        decimals = _decimals(self.error)
        return f"{_rounded(self.value, decimals)} ± {_rounded(self.error, decimals)}"

    @property
    def over_seeds(self) -> str:
        """The standard deviation over trainings, as text; '' where there was one alone."""
        if self.seeds < 2 or not math.isfinite(self.deviation):
            return ""
        if self.deviation == 0:
            return "seeds ± 0"
        return f"seeds ± {_rounded(self.deviation, _decimals(self.deviation))}"

    def as_dict(self) -> dict[str, Any]:
        """Return `{value, error}` for JSON, with None for what is not a finite number."""
        entry: dict[str, Any] = {"value": _finite(self.value), "error": _finite(self.error)}
        if self.seeds > 1:
            entry |= {"deviation": _finite(self.deviation), "seeds": self.seeds}
        return entry | {"limit": "lower"} if self.limit else entry

    @classmethod
    def from_dict(cls, entry: Mapping[str, Any]) -> Measurement:
        """Return the figure that `as_dict` wrote."""
        value, error, deviation = (
            math.nan if entry.get(key) is None else float(entry[key])
            for key in ("value", "error", "deviation")
        )
        limit, seeds = entry.get("limit") == "lower", int(entry.get("seeds", 1))
        return cls(value, error, limit, deviation, seeds)


def figures(metrics: Mapping[str, Mapping[str, Any]]) -> dict[str, Measurement]:
    """Return the figures of a mapping such as `metrics.json` holds, by name."""
    return {name: Measurement.from_dict(entry) for name, entry in metrics.items()}


def _finite(number: float) -> float | None:
    return float(number) if math.isfinite(number) else None


def _decimals(error: float) -> int:
    """Return the last decimal worth showing: the second digit of errors like 46 or 0.013."""
    exponent = math.floor(math.log10(error))
    two_digits = error >= 10 or error / 10**exponent < 3.55
    return int(two_digits) - exponent


def _rounded(number: float, decimals: int) -> str:
    return f"{round(number, decimals):.{max(decimals, 0)}f}"


def _significant(number: float, digits: int) -> str:
    decimals = digits - 1 - math.floor(math.log10(abs(number))) if number else 0
    return _rounded(number, decimals)
