"""The JSON files of a run and the types of their content, in this release and in release 0.1."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field

from bunchtrain.report.results import MetricsFile, ResultsFile

State: TypeAlias = Literal["running", "interrupted", "failed", "finished"]
Split: TypeAlias = Literal["train", "validation", "test"]
Number: TypeAlias = int | float | None


class _Content(BaseModel):
    """A mapping with these keys and others."""

    model_config = ConfigDict(extra="allow")


class Status(_Content):
    """State of a run, and the message of what failed."""

    state: State
    why: str = ""


class Data(_Content):
    """The events of a run: key of their cache, numbers of events, classes and conditions."""

    key: Annotated[str, Field(pattern="^[0-9a-f]{32}$")]
    rows: Annotated[dict[Split, int], Field(min_length=3)]
    classes: dict[str, list[str]]
    class_counts: dict[str, Annotated[dict[Split, list[int]], Field(min_length=3)]]
    cutflow: dict[str, int]


class TrainingSummary(_Content):
    """Measurements of a training."""

    status: str
    seconds: Number = None
    epochs: int | None = None
    events: int | None = None
    parameters: int | None = None
    peak_rss_mb: Number = None
    samples_per_second: Number = None
    jets_per_second: Number = None
    warnings: list[str] = []


class PredictionSummary(_Content):
    """Rate of the predictions, and the values out of range of a quantised model."""

    events_per_second: Number = None
    out_of_range: dict[str, int] | None = None


#: Name of a file → type of its content.
KINDS: dict[str, Any] = {
    "status.json": Status,
    "environment.json": dict[str, str],
    "data.json": Data,
    "metrics.json": MetricsFile,
    "training.json": TrainingSummary,
    "prediction.json": PredictionSummary,
    "results.json": ResultsFile,
}
