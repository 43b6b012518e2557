"""What a report shows, as plain data that the run fills in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from bunchtrain.report.key_table import Published


@dataclass(frozen=True)
class Plot:
    """A figure, from matplotlib or as the text of an SVG file, and the sentence below it."""

    caption: str
    figure: Figure | str
    wide: bool = False


@dataclass(frozen=True)
class Table:
    """A plain table; numbers among its cells are set to the right."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class Member:
    """A network of the study: what it is, what it cost, how well it does."""

    name: str
    model: str
    metrics: Mapping[str, Mapping[str, Any]]
    paper: str = ""  # arXiv number
    options: Mapping[str, Any] = field(default_factory=dict)
    parameters: int | None = None
    training_seconds: float | None = None
    memory_bytes: int | None = None
    rate: float | None = None  # events per second in inference, from columns to scores
    training_rate: float | None = None  # events per second in training
    training_events: int | None = None
    epochs: int | None = None  # of one training
    trainings: int = 1
    published: Published | None = None
    plots: Sequence[Plot] = ()
    remarks: str = ""


@dataclass(frozen=True)
class Report:
    """Everything in a report, in the order in which it is read."""

    title: str
    members: Sequence[Member]
    description: str = ""
    note: str = ""  # the sentence beside the figures, as on stand-ins
    references: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()  # below the plots, as the gain of ensembles
    data: Sequence[Table] = ()
    data_facts: Mapping[str, str] = field(default_factory=dict)  # selection, cache, ...
    inputs: Sequence[Plot] = ()
    study_yaml: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    kind: str = "jets"  # what an event is called in rates
