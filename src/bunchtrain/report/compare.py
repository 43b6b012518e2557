"""Models of several runs compared: one table and one overlaid ROC."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.errors import RunError
from bunchtrain.plots import plot_roc
from bunchtrain.report.key_table import Entry, KeyTable, Published, key_table, published_points
from bunchtrain.statistics.classification import signal_roc


@dataclass(frozen=True)
class Compared:
    """A model of a run, with its predictions of the test set.

    `scores` (events, classes) and `truth` (events,) are None for a regression; `signal` is the
    index of the signal class.
    """

    name: str
    metrics: Mapping[str, Mapping[str, Any]]
    scores: NDArray[Any] | None = None
    truth: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None
    signal: int = -1
    published: Published | None = None


def compare_table(models: Sequence[Compared]) -> KeyTable:
    """Return one table of all models."""
    return key_table([Entry(m.name, m.metrics, m.published) for m in models])


def compare_roc(
    models: Sequence[Compared], signal: str = "signal", background: str = "background"
) -> Figure:
    """Return the overlaid ROC of the models that classify.

    Raises RunError if none does.
    """
    curves = {
        m.name: signal_roc(m.scores, m.truth, m.weights, m.signal % m.scores.shape[1])
        for m in models
        if m.scores is not None and m.truth is not None
    }
    if not curves:
        raise RunError("none of these runs has a classifier, so there is no ROC to compare")
    points = published_points({m.name: m.published for m in models if m.name in curves})
    return plot_roc(curves, points, signal, background)
