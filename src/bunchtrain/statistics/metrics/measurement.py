"""Measurement: a metric with its statistical error, and its spread over seeds."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

Metrics = dict[str, dict[str, Any]]


#: Asymmetry of an interval from which it is given beside the error.
ASYMMETRY = 0.2
#: Values below it, with all their digits, are shown as a multiple of a power of ten.
SMALL = 1e-4


@dataclass(frozen=True)
class Measurement:
    """A value and its statistical error, both in the unit of the value.

    value     if `limit` is set a lower limit at 95 % confidence, without an error.
    error     one standard deviation.
    seed_std  standard deviation between the trainings whose mean the value is.
    seeds     number of these trainings.
    interval  ends of the 68 % interval where it is not symmetric, as from few events; else None.
    """

    value: float
    error: float = math.nan
    limit: bool = False
    seed_std: float = math.nan
    seeds: int = 1
    interval: tuple[float, float] | None = None

    def __str__(self) -> str:
        if not math.isfinite(self.value):
            return "–"
        if self.limit:
            return f"> {_format_digits(self.value, 2)}"
        if self.interval is not None:
            down, up = self.value - self.interval[0], self.interval[1] - self.value
            if max(down, up) > 0:
                smaller = min(down, up)
                decimals = _decimals(smaller if smaller > 0.1 * max(down, up) else max(down, up))
                value, plus, minus = _scaled((self.value, up, down), decimals)
                return f"{value} +{plus} −{minus}"
        if not (math.isfinite(self.error) and self.error > 0):
            return f"{self.value:.4g}"
        return " ± ".join(_scaled((self.value, self.error), _decimals(self.error)))

    @property
    def seed_text(self) -> str:
        """The standard deviation between trainings, e.g. "seeds ± 0.02"; '' of a single one."""
        if self.seeds < 2 or not math.isfinite(self.seed_std):
            return ""
        if self.seed_std == 0:
            return "seeds ± 0"
        return f"seeds ± {_scaled((self.seed_std,), _decimals(self.seed_std))[0]}"

    @property
    def errors(self) -> tuple[float, float]:
        """Distances of the lower and the upper end of the 68 % interval from the value."""
        if self.interval is None:
            return self.error, self.error
        return self.value - self.interval[0], self.interval[1] - self.value

    def with_interval(self, low: float, high: float, asymmetry: float = ASYMMETRY) -> Measurement:
        """Return the measurement with a 68 % interval, if that is clearly not symmetric.

        low, high  ends of the interval, in the unit of the value.
        asymmetry  2 |up − down|/(up + down) from which it is given beside the error.
        """
        down, up = self.value - low, high - self.value
        if not (math.isfinite(down) and math.isfinite(up)) or min(down, up) < 0:
            return self
        asymmetric = 2 * abs(up - down) > asymmetry * (up + down)
        return replace(self, interval=(float(low), float(high))) if asymmetric else self

    def as_dict(self) -> dict[str, Any]:
        """Return `{value, error}` for JSON, None where a number is not finite."""
        entry: dict[str, Any] = {"value": _finite(self.value), "error": _finite(self.error)}
        if self.seeds > 1:
            entry |= {"seed_std": _finite(self.seed_std), "seeds": self.seeds}
        if self.interval is not None:
            entry["interval"] = [_finite(end) for end in self.interval]
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
        ends = [float(end) for end in entry.get("interval") or () if end is not None]
        interval = (ends[0], ends[1]) if len(ends) == 2 else None
        return cls(value, error, limit, std, seeds, interval)


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
    if not limit and any(one.interval for one in found):
        down, up = np.mean([one.errors for one in found], axis=0)
        average = average.with_interval(average.value - down, average.value + up)
    others = {key: value for key, value in entries[0].items() if key != "interval"}
    return {**others, **average.as_dict()}


def _finite(value: float) -> float | None:
    return float(value) if math.isfinite(value) else None


def _decimals(error: float) -> int:
    """Return the last decimal worth showing: the second digit of errors like 46 or 0.013."""
    exponent = math.floor(math.log10(error))
    two_digits = error >= 10 or error / 10**exponent < 3.55
    return int(two_digits) - exponent


def _scaled(values: Sequence[float], decimals: int) -> list[str]:
    """Return values with the same last decimal, small ones as multiples of one power of ten.

    These are all below `SMALL`: `1.23e-6` and `0.05e-6`.
    """
    largest = max(abs(value) for value in values)
    if largest >= SMALL or largest == 0:
        return [_format(value, decimals) for value in values]
    exponent = math.floor(math.log10(largest))
    shown = [_format(value / 10.0**exponent, decimals + exponent) for value in values]
    return [f"{text}e{exponent}" if float(text) else "0" for text in shown]


def _format(value: float, decimals: int) -> str:
    rounded = round(value, decimals) + 0.0  # −0 becomes 0
    return f"{rounded:.{max(decimals, 0)}f}"


def _format_digits(value: float, digits: int) -> str:
    if value == 0:
        return "0"
    return _scaled((value,), digits - 1 - math.floor(math.log10(abs(value))))[0]
