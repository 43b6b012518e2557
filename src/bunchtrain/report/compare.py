"""Several runs side by side: one table and one overlaid ROC."""

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
    """A network of a run, with its predictions on the test set.

    `scores` (events, classes) and `truth` (events,) are None for regression; `signal` is the
    column of the signal class.
    """

    name: str
    metrics: Mapping[str, Mapping[str, Any]]
    scores: NDArray[Any] | None = None
    truth: NDArray[Any] | None = None
    weights: NDArray[Any] | None = None
    signal: int = -1
    published: Published | None = None


def compare_table(networks: Sequence[Compared]) -> KeyTable:
    """Return one table of all networks."""
    return key_table([Entry(n.name, n.metrics, n.published) for n in networks])


def compare_roc(networks: Sequence[Compared], signal: str = "signal") -> Figure:
    """Return the overlaid ROC of those networks that classify.

    Raises RunError if none does.
    """
    curves = {
        n.name: signal_roc(n.scores, n.truth, n.weights, n.signal % n.scores.shape[1])
        for n in networks
        if n.scores is not None and n.truth is not None
    }
    if not curves:
        raise RunError("none of these runs has a classifier, so there is no ROC to compare")
    points = published_points({n.name: n.published for n in networks if n.name in curves})
    return plot_roc(curves, points, signal)
