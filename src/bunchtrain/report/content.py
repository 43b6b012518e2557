"""Content of a report as plain data: plots, tables, models and sections."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from matplotlib.figure import Figure

from bunchtrain.displays import Display
from bunchtrain.report.costs import Cost
from bunchtrain.report.key_table import Published
from bunchtrain.report.stage_graph import StageBox


@dataclass(frozen=True)
class Plot:
    """A figure and its caption.

    caption  one sentence or more.
    figure   of matplotlib, the text of an SVG file, or a PNG as data URI.
    wide     whether it takes the width of the page.
    model    whose section of the report it belongs to; '' for the section of all models.
    section  `inputs` for what is shown of the data before training, else `results`.
    """

    caption: str
    figure: Figure | str
    wide: bool = False
    model: str = ""
    section: str = "results"


@dataclass(frozen=True)
class Table:
    """A plain table; numbers among its cells are aligned on the right."""

    caption: str
    columns: Sequence[str]
    rows: Sequence[Sequence[object]]


@dataclass(frozen=True)
class ModelSummary:
    """A model or ensemble of the study: description, options, cost, metrics and plots.

    name       in the study.
    model      name of the part, or what the ensemble combines.
    metrics    metric → {value, error}.
    paper      arXiv number.
    trainings  number of trainings; costs are those of the first.
    remarks    printed after its name.
    """

    name: str
    model: str
    metrics: Mapping[str, Mapping[str, Any]]
    paper: str = ""
    options: Mapping[str, Any] = field(default_factory=dict)
    cost: Cost = field(default_factory=Cost)
    trainings: int = 1
    published: Published | None = None
    plots: Sequence[Plot] = ()
    remarks: str = ""


@dataclass(frozen=True)
class Section:
    """Plots and tables under a heading, e.g. of one evaluation."""

    title: str
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()


@dataclass(frozen=True)
class Report:
    """Everything in a report, in the order in which it is read.

    note        printed with the metrics, e.g. that the sample replaces the published one.
    plots       of all models, with `tables` below them.
    sections    of evaluations that have a title.
    data        tables of the events, with `data_facts`: selection, split, cache.
    inputs      distributions of the inputs of models.
    study_yaml  full configuration.
    stages      of the run, with their times.
    display     of one event of the test set.
    stage_metrics  name → metrics of what evaluations of the key `stages` have measured.
    """

    title: str
    models: Sequence[ModelSummary]
    description: str = ""
    note: str = ""
    references: Sequence[str] = ()
    plots: Sequence[Plot] = ()
    tables: Sequence[Table] = ()
    sections: Sequence[Section] = ()
    data: Sequence[Table] = ()
    data_facts: Mapping[str, str] = field(default_factory=dict)
    inputs: Sequence[Plot] = ()
    study_yaml: str = ""
    environment: Mapping[str, str] = field(default_factory=dict)
    created: str = ""
    stages: Sequence[StageBox] = ()
    stage_metrics: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    display: Display | None = None
