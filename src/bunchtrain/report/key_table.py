"""The key table: metrics of each model with the published values.

It is in the report, on the terminal and in the comparison of runs.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bunchtrain.plots import PublishedPoint
from bunchtrain.report.labels import in_key_table, label
from bunchtrain.statistics.metrics import Measurement, Metrics, measurements
from bunchtrain.study import Ensemble, ModelConfig, Study, model_configs


@dataclass(frozen=True)
class Published:
    """Published metrics, under the names of `metrics.json`, and their source."""

    source: str
    metrics: Mapping[str, Measurement]


def published_metrics(study: Study) -> dict[str, Published]:
    """Return the published metrics of the models and ensembles of a study that have some."""
    known: dict[str, ModelConfig | Ensemble] = {**model_configs(study), **study.ensembles}
    found = {name: one.published for name, one in known.items()}
    return {
        name: Published(one.source, {n: Measurement(*v) for n, v in one.metrics.items()})
        for name, one in found.items()
        if one is not None
    }


def published_points(
    sources: Mapping[str, Published | None], prefix: str = ""
) -> list[PublishedPoint]:
    """Return the published rejections of models as points of the ROC.

    Args:
        sources: Model → its published metrics.
        prefix: `<target>:` in a study of several targets.
    """
    pattern = re.compile(re.escape(prefix) + r"rejection_([\d.e-]+)")
    return [
        PublishedPoint(name, float(found[1]) / 100, value)
        for name, source in sources.items()
        for key, value in (source.metrics if source else {}).items()
        if (found := pattern.fullmatch(key))
    ]


@dataclass(frozen=True)
class Entry:
    """A model in the table: its metrics as in `metrics.json`, and a note."""

    name: str
    metrics: Mapping[str, Mapping[str, Any]]
    published: Published | None = None
    note: str = ""


def key_entries(study: Study, metrics: Mapping[str, Metrics]) -> list[Entry]:
    """Return the entries of the models and ensembles of a study, then those of its stages."""
    known: dict[str, ModelConfig | Ensemble] = {**model_configs(study), **study.ensembles}
    given = published_metrics(study)
    found = [
        Entry(name, one, given.get(name), known[name].note)
        for name, one in metrics.items()
        if name in known
    ]
    return found + stage_entries(study, metrics)


def stage_entries(study: Study, metrics: Mapping[str, Metrics]) -> list[Entry]:
    """Return the entries of what evaluations of the key `stages` have measured."""
    known = {*model_configs(study), *study.ensembles}
    names = [name for name in metrics if study.stages and name not in known]
    return [Entry(name, metrics[name]) for name in names]


@dataclass(frozen=True)
class Row:
    """Measurements of a model, one for each column, and the published ones or None."""

    name: str
    ours: list[Measurement | None]
    published: list[Measurement | None]
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class KeyTable:
    """A row for each model, a column for each metric."""

    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def sources(self) -> dict[str, list[str]]:
        """Source of published metrics → names of the models with it."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            if row.source:
                found.setdefault(row.source, []).append(row.name)
        return found


def key_table(entries: Sequence[Entry]) -> KeyTable:
    """Return the key table of models: AUC, accuracy, then the other metrics in their order.

    Published metrics that no evaluation has measured come last.
    """
    measured = [measurements(entry.metrics) for entry in entries]
    published = [entry.published.metrics for entry in entries if entry.published]
    found = [name for row in [*measured, *published] for name in row if in_key_table(name)]
    names = list(dict.fromkeys(found))
    names.sort(key=lambda name: {"auc": 0, "accuracy": 1}.get(name, 2))
    rows = [_row(entry, ours, names) for entry, ours in zip(entries, measured, strict=True)]
    return KeyTable([label(name) for name in names], rows)


def _row(entry: Entry, ours: Mapping[str, Measurement], names: Sequence[str]) -> Row:
    given = entry.published or Published("", {})
    return Row(
        entry.name,
        [ours.get(name) for name in names],
        [given.metrics.get(name) for name in names],
        given.source,
        entry.note,
    )
