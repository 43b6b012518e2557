"""The predictions of a run, in the shapes that metrics and plots take.

A network's scores are columns of its name and the class: `pfn_top`, `pfn_qcd`, and `pfn_seed_2_top`
for its second training. An ensemble has such columns, too.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow.parquet as pq
from numpy.typing import NDArray

from bunchtrain.statistics.classification import class_index
from bunchtrain.study import ModelConfig, Study, Target, model_configs

Numbers = NDArray[Any]


@dataclass(frozen=True)
class Predictions:
    """Truth and scores of a set of events: column → (events,)."""

    study: Study
    columns: dict[str, Numbers]

    @classmethod
    def read(cls, study: Study, path: Path) -> Predictions:
        """Return what lies in a file such as `predictions.parquet`."""
        table = pq.read_table(path)
        return cls(study, {name: table[name].to_numpy() for name in table.column_names})

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
        return self.columns.get(score_name(self.study, member, target, name))

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

    def deviation(self, member: str, target: str, label: str) -> Numbers | None:
        """Return the deviation of a class's probability over the draws, (events,), where given."""
        return self._score(member, target, f"{label}_sigma")

    def intervals(
        self, member: str, target: str, value: int
    ) -> dict[float, tuple[Numbers, Numbers]]:
        """Return share of events → ends of the conformal interval, (events,) each."""
        name = list(self.study.targets[target].values or {})[value]
        low, high = (self._levels(member, target, f"{name}_{end}") for end in ("low", "high"))
        return {level: (column, high[level]) for level, column in low.items()}

    def sets(self, member: str, target: str) -> dict[float, Numbers]:
        """Return share of events → whether each class is in the set, (events, classes) bool."""
        names = self.study.targets[target].classes or {}
        found = [self._levels(member, target, f"{name}_in") for name in names]
        return {level: np.stack([one[level] for one in found], 1) > 0.5 for level in found[0]}

    def _levels(self, member: str, target: str, start: str) -> dict[float, Numbers]:
        """Return level → column, of the columns whose name goes on with the level alone."""
        start = score_name(self.study, member, target, start)
        endings = {c.removeprefix(start): v for c, v in self.columns.items() if c.startswith(start)}
        return {
            float(ending.replace("p", ".")) / 100: column
            for ending, column in endings.items()
            if ending.replace("p", "").isdigit()
        }

    @property
    def models(self) -> list[str]:
        """The names of the networks, without the ensembles of them."""
        return list(model_configs(self.study))

    @property
    def taggers(self) -> list[str]:
        """The names of the networks and of their ensembles."""
        return [*self.models, *self.study.ensembles]

    def trainings(self, name: str) -> list[str]:
        """Return the names of the trainings of a network; an ensemble is one itself."""
        known = model_configs(self.study)
        return list(training_names(self.study, known[name])) if name in known else [name]


def signal_of(outcome: Predictions, target: str) -> tuple[int, list[str]]:
    """Return the number of the signal class and the names of all classes."""
    names = list(outcome.study.targets[target].classes or {})
    wanted = outcome.study.evaluation.signal
    return class_index(wanted if wanted in names else None, names), names


def training_names(study: Study, member: ModelConfig) -> dict[str, int]:
    """Return name → seed of each training of a network: `pfn`, `pfn_seed_2`, ….

    The first one has the network's own name. It is the one that curves show, that ensembles
    combine and that scores files; figures are the mean over all of them.
    """
    later = range(study.seed + 1, study.seed + member.seeds)
    return {member.name: study.seed, **{f"{member.name}_seed_{seed}": seed for seed in later}}


def score_name(study: Study, name: str, target: str, value: str) -> str:
    """Return the column of a network's score for a class or value of a target."""
    prefix = f"{target}_" if len(study.targets) > 1 else ""
    return f"{name}_{prefix}{value}"
