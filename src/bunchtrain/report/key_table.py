"""The key table: networks against figures, with the published values beside them.

The report, the terminal and the comparison of runs all show this table.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from bunchtrain.plots import PublishedPoint
from bunchtrain.report.labels import in_key_table, label
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.statistics.metrics.measurement import figures


@dataclass(frozen=True)
class Published:
    """Published figures, under the names of `metrics.json`, and their source."""

    source: str
    figures: Mapping[str, Measurement]


def published(
    source: str,
    auc: float | None = None,
    accuracy: float | None = None,
    rejection: Mapping[float, float | tuple[float, float]] | None = None,
) -> Published:
    """Return published figures as a study gives them: rejection by signal efficiency."""
    known: dict[str, Measurement] = {}
    for name, value in (("auc", auc), ("accuracy", accuracy)):
        if value is not None:
            known[name] = Measurement(value)
    for efficiency, given in (rejection or {}).items():
        both = given if isinstance(given, tuple) else (given,)
        known[f"rejection_{100 * efficiency:g}"] = Measurement(*both)
    return Published(source, known)


def published_points(sources: Mapping[str, Published | None]) -> list[PublishedPoint]:
    """Return the published rejections of networks, by their names, as points of the ROC."""
    return [
        PublishedPoint(name, float(key.removeprefix("rejection_")) / 100, figure)
        for name, source in sources.items()
        for key, figure in (source.figures if source else {}).items()
        if key.startswith("rejection_")
    ]


@dataclass(frozen=True)
class Entry:
    """What the table shows of one network: its figures as in `metrics.json`, and a note."""

    name: str
    metrics: Mapping[str, Mapping[str, Any]]
    published: Published | None = None
    note: str = ""


@dataclass(frozen=True)
class Row:
    """A network's figures, one for each column, and the published ones or None."""

    name: str
    ours: list[Measurement | None]
    published: list[Measurement | None]
    source: str = ""
    note: str = ""


@dataclass(frozen=True)
class KeyTable:
    """Rows of networks under columns of figures."""

    columns: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    @property
    def sources(self) -> dict[str, list[str]]:
        """Source of published figures → the names of the networks that have it."""
        found: dict[str, list[str]] = {}
        for row in self.rows:
            if row.source:
                found.setdefault(row.source, []).append(row.name)
        return found


def key_table(entries: Sequence[Entry]) -> KeyTable:
    """Return the key table of networks: AUC, accuracy, then the others in their order."""
    measured = [figures(entry.metrics) for entry in entries]
    names = list(dict.fromkeys(name for row in measured for name in row if in_key_table(name)))
    names.sort(key=lambda name: {"auc": 0, "accuracy": 1}.get(name, 2))
    rows = [_row(entry, ours, names) for entry, ours in zip(entries, measured, strict=True)]
    return KeyTable([label(name) for name in names], rows)


def _row(entry: Entry, ours: Mapping[str, Measurement], names: Sequence[str]) -> Row:
    given = entry.published or Published("", {})
    return Row(
        entry.name,
        [ours.get(name) for name in names],
        [given.figures.get(name) for name in names],
        given.source,
        entry.note,
    )
