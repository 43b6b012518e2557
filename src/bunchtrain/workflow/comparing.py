"""The plots and tables in which many networks are weighed against one another."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from scipy.stats import rankdata

from bunchtrain.plots import plot_rank_correlation, plot_ranking, plot_trade_off
from bunchtrain.report import Plot, Table
from bunchtrain.report.labels import label
from bunchtrain.statistics.metrics import Measurement
from bunchtrain.statistics.metrics import discriminant
from bunchtrain.statistics.metrics import Floats
from bunchtrain.statistics.metrics import Metrics
from bunchtrain.workflow.costs import Cost
from bunchtrain.workflow.figures import key_rows
from bunchtrain.workflow.gains import Gains
from bunchtrain.workflow.prediction_table import Predictions, signal_of

#: Networks from which on they are ranked and their scores correlated.
SEVERAL = 3
#: Networks beyond which their matrix takes the width of the page.
WIDE = 12


def weighed_plots(
    outcome: Predictions, metrics: Mapping[str, Metrics], spent: Mapping[str, Cost]
) -> Iterator[Plot]:
    """Yield ranking, rejection against parameters and time, and correlation of the scores."""
    target = outcome.study.evaluation.target or next(iter(outcome.classifiers), None)
    if target is None or len(outcome.taggers) < SEVERAL:
        return
    wanted = f"rejection_{100 * outcome.study.evaluation.efficiencies[0]:g}"
    key = wanted if len(outcome.study.targets) == 1 else f"{target}:{wanted}"
    ours = {n: Measurement.from_dict(m[key]) for n, m in metrics.items() if key in m}
    yield _ranking(outcome, metrics, ours, wanted)
    yield from _trade_offs(ours, spent, wanted)
    yield _correlation(outcome, target)


def math_label(name: str) -> str:
    """Return the label of a figure for an axis."""
    return label(name).replace("ε_B", r"$\varepsilon_B$").replace("ε_S", r"$\varepsilon_S$")


def _ranking(
    outcome: Predictions,
    metrics: Mapping[str, Metrics],
    ours: Mapping[str, Measurement],
    figure: str,
) -> Plot:
    published = {
        row.name: row.published.figures[figure]
        for row in key_rows(outcome.study, metrics)
        if row.published and figure in row.published.figures
    }
    caption = (
        "All networks in order; thin bars are statistical errors, thick ones the deviation between "
        "seeds. Published values are on their own sample."
    )
    return Plot(caption, plot_ranking(ours, published, math_label(figure)))


def _trade_offs(
    ours: Mapping[str, Measurement], spent: Mapping[str, Cost], figure: str
) -> Iterator[Plot]:
    sizes = {n: (float(p), f) for n, f in ours.items() if (p := spent[n].parameters)}
    times = {n: (1e6 / rate, f) for n, f in ours.items() if (rate := spent[n].rate)}
    if differ(sizes):
        drawn = plot_trade_off(sizes, "Parameters", math_label(figure))
        yield Plot("Rejection against the number of trained parameters; trees have none.", drawn)
    if differ(times):
        drawn = plot_trade_off(times, "Time per event [µs]", math_label(figure))
        caption = "Rejection against the time of inference, from columns to scores."
        yield Plot(caption, drawn)


def differ(points: Mapping[str, tuple[float, Measurement]], factor: float = 2.0) -> bool:
    """Return whether costs lie far enough apart for a plot against them to say anything."""
    costs = [cost for cost, _ in points.values()]
    return bool(costs) and max(costs) > factor * min(costs)


def _correlation(outcome: Predictions, target: str) -> Plot:
    signal, names = signal_of(outcome, target)
    others = [k for k in range(len(names)) if k != signal]
    found = {n: outcome.scores(n, target) for n in outcome.taggers}
    scores = {n: discriminant(s, signal, others) for n, s in found.items() if s is not None}
    tops = outcome.truth(target) == signal
    values = np.stack(list(scores.values()))  # (networks, events)
    classes = (names[signal], ", ".join(names[k] for k in others))
    drawn = plot_rank_correlation(
        rank_correlation(values[:, tops]),
        rank_correlation(values[:, ~tops]),
        list(scores),
        classes,
    )
    wide = len(scores) > WIDE
    return Plot("Rank correlation of the scores, in each class by itself.", drawn, wide=wide)


def rank_correlation(values: Any) -> Floats:
    """Return Spearman's correlation of rows (networks, events), (networks, networks)."""
    return np.asarray(np.corrcoef(rankdata(values, axis=1)), np.float64)


def gain_tables(gains: Gains) -> list[Table]:
    """Return what each ensemble gains over the best of its members, figure by figure."""
    rows = [
        [ensemble, label(figure), entry["best"], str(Measurement.from_dict(entry))]
        for ensemble, figures in gains.items()
        for figure, entry in figures.items()
    ]
    caption = (
        "Gain of ensembles over their best member, first trainings; errors from a paired "
        "bootstrap of the test set."
    )
    columns = ["Ensemble", "Measurement", "Best member", "Gain"]
    return [Table(caption, columns, rows)] if rows else []
