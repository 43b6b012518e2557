"""The predictions of a run, in the shapes that metrics and plots take."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bunchtrain.study import Study, Target, members

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Outcome:
    """Truth and scores of a set of events."""

    study: Study
    path: Path

    @cached_property
    def columns(self) -> dict[str, Numbers]:
        """Column of `predictions.parquet` → (events,)."""
        table = pq.read_table(self.path)
        return {name: table[name].to_numpy() for name in table.column_names}

    @property
    def weights(self) -> Numbers:
        """The event weights (events,), without balancing or reweighting."""
        return self.columns["weight"]

    @property
    def classifiers(self) -> dict[str, Target]:
        """The targets with classes."""
        return {name: target for name, target in self.study.targets.items() if target.classes}

    @property
    def regressions(self) -> dict[str, Target]:
        """The targets with values."""
        return {name: target for name, target in self.study.targets.items() if target.values}

    def truth(self, target: str, value: int | None = None) -> Numbers:
        """Return class numbers or a regressed value's truth, (events,)."""
        return self.columns[target if value is None else f"{target}_{value}"]

    def _score(self, member: str, target: str, name: str) -> Numbers | None:
        prefix = f"{target}_" if len(self.study.targets) > 1 else ""
        return self.columns.get(f"{member}_{prefix}{name}")

    def scores(self, member: str, target: str) -> Numbers | None:
        """Return class probabilities (events, classes); None if the member has no such head."""
        names = self.study.targets[target].classes or {}
        found = [self._score(member, target, name) for name in names]
        kept = [column for column in found if column is not None]
        return np.stack(kept, axis=1) if kept and len(kept) == len(found) else None

    def values(self, member: str, target: str, value: int) -> tuple[Numbers | None, Numbers | None]:
        """Return a regressed value and its predicted deviation, (events,) each, where given."""
        name = list(self.study.targets[target].values or {})[value]
        return self._score(member, target, name), self._score(member, target, f"{name}_sigma")

    @property
    def members(self) -> list[str]:
        """The names of the networks."""
        return list(members(self.study))
