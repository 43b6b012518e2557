"""Rate, budget and signal efficiency of policies that control a trigger, side by side."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bunchtrain.errors import DataError, StudyError, nearest
from bunchtrain.evaluations._evaluation import EvaluatedRun, Evaluation
from bunchtrain.parts.ranges import InnerFraction
from bunchtrain.plots import RateCurve, plot_rates
from bunchtrain.report.content import Plot, Table
from bunchtrain.report.results import Results
from bunchtrain.statistics.correlated_rows import ratio_of_sums
from bunchtrain.statistics.metrics import Measurement, Metrics
from bunchtrain.study import Study

Values = NDArray[np.float64]
_COLUMNS = (
    "policy", "episode", "step", "time", "rate", "budget", "signal_efficiency", "luminosity",
    "signal_rows",
)  # fmt: skip


class RateControl(Evaluation):
    """How well policies keep the rate of an event stream at its budget, and what signal they keep.

    With the rate r and the budget B of a block: the fraction of the blocks with |r/B − 1| ≤ δ and
    of those above B (1 + δ), the mean of r/B and its standard deviation from 1, and the signal
    efficiency Σ L ε_S/Σ L with the luminosity L. The blocks of an episode are correlated, so that
    the uncertainties are from the spread of the episodes (blocks of a single one count as
    independent); that of the efficiency contains the number of signal events of the table.
    Differences to the first policy are those of the same episodes.

    rollout    Stage of kind `rollout` of an `event_stream`.
    tolerance  δ.
    """

    def __init__(self, *, rollout: str, tolerance: InnerFraction = 0.1) -> None:
        self.rollout, self.tolerance = rollout, tolerance

    def check(self, study: Study) -> None:
        """Raise StudyError if there is no such stage of kind `rollout`."""
        known = [name for name, one in study.stages.items() if one.kind == "rollout"]
        if self.rollout not in known:
            hint = nearest(self.rollout, known) or "; add it to 'stages'"
            raise StudyError(
                f"evaluation '{self.name}': there is no stage '{self.rollout}' of kind 'rollout'"
                f"{hint}"
            )

    def evaluate(self, run: EvaluatedRun) -> Results:
        """Return metrics of each policy, the differences to the first, and the first episodes."""
        return self.compare(read_rollout(run.folder / "stages" / self.rollout / "table.parquet"))

    def compare(self, policies: Mapping[str, Mapping[str, Values]]) -> Results:
        """Return the results of policy → column → values (steps,)."""
        metrics = {name: self._measure(one) for name, one in policies.items()}
        (reference, first), *others = policies.items()
        rows = [[name, *(str(Measurement.from_dict(m[k])) for k in _SHOWN)]
                for name, m in metrics.items()]  # fmt: skip
        tables = [
            Table(
                f"Policies over {len(np.unique(first['episode']))} episodes of "
                f"{int(first['step'].max()) + 1} blocks, tolerance ±{self.tolerance:.0%}.",
                ["Policy", *_SHOWN.values()],
                rows,
            )
        ]
        differences = [
            [name, *map(str, found)]
            for name, one in others
            if (found := self._differences(one, first)) is not None
        ]
        if differences:
            columns = ["Policy", "Blocks in tolerance", "Signal efficiency"]
            caption = f"Differences to the policy {reference} in the same episodes."
            tables.append(Table(caption, columns, differences))
        return Results(metrics, self._plots(policies), tables, title="Rate control")

    def _plots(self, policies: Mapping[str, Mapping[str, Values]]) -> list[Plot]:
        found = {}
        for name, one in policies.items():
            keep = one["episode"] == one["episode"].min()
            columns = ("time", "rate", "luminosity", "signal_efficiency")
            time, rate, luminosity, efficiency = (one[column][keep] for column in columns)
            found[name] = RateCurve(time, rate / one["budget"][keep], luminosity, efficiency)
        caption = (
            "Luminosity relative to the reference, accepted rate in units of its budget with the "
            "band of the tolerance, and signal efficiency in the first episode."
        )
        return [Plot(caption, plot_rates(found, self.tolerance), wide=True)]

    def _within(self, table: Mapping[str, Values]) -> Values:
        ratio = table["rate"] / table["budget"]
        return (np.abs(ratio - 1) <= self.tolerance).astype(np.float64)

    def _measure(self, table: Mapping[str, Values]) -> Metrics:
        """Return the metrics of one policy."""
        ratio, group = table["rate"] / table["budget"], _groups(table)
        one = np.ones(len(ratio))
        squared = _ratio(group, (ratio - 1) ** 2, one)
        spread = np.sqrt(squared.value)
        error = squared.error / (2 * spread) if spread > 0 else 0.0
        found = {
            "in_tolerance": _ratio(group, self._within(table), one),
            "above_tolerance": _ratio(group, (ratio > 1 + self.tolerance).astype(float), one),
            "rate_over_budget": _ratio(group, ratio, one),
            "rate_spread": Measurement(float(spread), float(error)),
            "stream_efficiency": self._efficiency(table, group),
        }
        return {name: measured.as_dict() for name, measured in found.items()}

    def _efficiency(self, table: Mapping[str, Values], group: NDArray[Any]) -> Measurement:
        """Return Σ L ε_S/Σ L with the spread of the episodes and √(ε (1 − ε)/N_S) of the table."""
        level = table["luminosity"]
        found = _ratio(group, level * table["signal_efficiency"], level)
        sample = np.sqrt(found.value * (1 - found.value) / table["signal_rows"][0])
        return Measurement(found.value, float(np.hypot(np.nan_to_num(found.error), sample)))

    def _differences(
        self, table: Mapping[str, Values], first: Mapping[str, Values]
    ) -> tuple[Measurement, Measurement] | None:
        """Return the differences in tolerance and efficiency, None if the episodes differ."""
        keys = ("episode", "step", "luminosity")
        if any(not np.array_equal(table[key], first[key]) for key in keys):
            return None
        group, level = _groups(table), table["luminosity"]
        gained = table["signal_efficiency"] - first["signal_efficiency"]
        within = self._within(table) - self._within(first)
        return _ratio(group, within, np.ones(len(level))), _ratio(group, level * gained, level)


_SHOWN = {
    "in_tolerance": "Blocks in tolerance",
    "above_tolerance": "Blocks above it",
    "rate_over_budget": "Rate/budget",
    "rate_spread": "RMS of rate/budget − 1",
    "stream_efficiency": "Signal efficiency",
}


def _groups(table: Mapping[str, Values]) -> NDArray[np.int64]:
    """Return the index of the episode of each row, or of the row itself for a single episode."""
    distinct, index = np.unique(table["episode"], return_inverse=True)
    return np.asarray(index if len(distinct) > 1 else np.arange(len(index)), np.int64)


def _ratio(group: NDArray[Any], numerator: Values, denominator: Values) -> Measurement:
    """Return Σ a/Σ b with the uncertainty from independent groups of rows."""
    sums = (np.bincount(group, weights=values) for values in (numerator, denominator))
    return ratio_of_sums(*sums)


def read_rollout(path: Path) -> dict[str, dict[str, Values]]:
    """Return policy → column → values (steps,) of a table of a rollout.

    Raises DataError if the table is missing or not that of an event stream.
    """
    if not path.is_file():
        raise DataError(f"there is no table {path}; run the stage")
    known = pq.read_schema(path).names
    if lacking := [name for name in _COLUMNS if name not in known]:
        raise DataError(
            f"evaluation 'rate_control': the rollout has no column '{lacking[0]}'; it must be of "
            "the environment 'event_stream'"
        )
    table = pq.read_table(path, columns=list(_COLUMNS))
    policy = table["policy"].to_numpy(zero_copy_only=False).astype(str)
    values = {name: table[name].to_numpy().astype(np.float64) for name in _COLUMNS[1:]}
    return {
        str(name): {column: one[policy == name] for column, one in values.items()}
        for name in dict.fromkeys(policy)
    }
