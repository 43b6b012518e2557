"""How little the scores of a run depend on a column: 1/JSD, and the plots that show it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.plots import (
    Decorrelated,
    plot_decorrelation,
    plot_profile,
    plot_spectra,
)
from bunchtrain.report import Plot
from bunchtrain.statistics.metrics import Measurement, background_rejection, roc
from bunchtrain.statistics.metrics.discriminant import discriminant
from bunchtrain.statistics.metrics.jensen_shannon import inverse_jensen_shannon
from bunchtrain.statistics.metrics.measurement import Metrics
from bunchtrain.study import model_configs
from bunchtrain.workflow.axes import axis_label
from bunchtrain.workflow.prediction_table import Predictions, signal_of

#: Networks whose spectra and profiles are drawn, at most.
FEW = 9


@dataclass(frozen=True)
class _Score:
    """A score with truth, weight and the column, (events,) each."""

    score: NDArray[Any]
    truth: NDArray[Any]
    weight: NDArray[Any]
    column: NDArray[Any]
    edges: NDArray[Any]


def measure_independence(outcome: Predictions, name: str, target: str) -> Metrics:
    """Return `inverse_jsd_50`, ... of a network; nothing if the study does not ask for it."""
    wanted = outcome.study.evaluation.decorrelation
    if wanted is None:
        return {}
    return {
        f"inverse_jsd_{100 * e:g}": _inverse(_score(outcome, name, target), e).as_dict()
        for e in wanted.efficiencies
    }


def _score(outcome: Predictions, name: str, target: str) -> _Score:
    wanted, scores = outcome.study.evaluation.decorrelation, outcome.scores(name, target)
    assert wanted is not None
    assert scores is not None
    signal, names = signal_of(outcome, target)
    others = [k for k in range(len(names)) if k != signal]
    return _Score(
        discriminant(scores, signal, others),
        outcome.truth(target) == signal,
        outcome.weights,
        outcome.columns[wanted.against],
        np.asarray(wanted.edges),
    )


def _inverse(own: _Score, efficiency: float) -> Measurement:
    return inverse_jensen_shannon(
        own.score, own.truth, own.column, own.edges, efficiency, own.weight
    )


def independence_plots(outcome: Predictions, target: str) -> Iterator[Plot]:
    """Yield rejection against 1/JSD of all networks, spectra before and after cuts, profiles."""
    wanted = outcome.study.evaluation.decorrelation
    if wanted is None:
        return
    label = axis_label(wanted.against)
    scores = {name: _score(outcome, name, target) for name in outcome.taggers}
    for efficiency in wanted.efficiencies:
        points = _points(outcome, scores, efficiency)
        yield Plot(
            f"Background rejection against independence of {wanted.against}; each curve one method "
            "at rising strength. Beyond the dotted line these events cannot tell a score from an "
            "independent one.",
            plot_decorrelation(points, efficiency, label, _chance(scores, efficiency)),
            wide=True,
        )
    best = _independent(outcome, scores, wanted.efficiencies[0])
    first = next(iter(best.values()))
    background = ~first.truth
    cuts = {
        name: {
            rf"$\varepsilon_S$ = {e:g}": (own.score >= _cut(own, e))[background]
            for e in (0.8, 0.5, 0.3)
        }
        for name, own in best.items()
    }
    column, weight = first.column[background], first.weight[background]
    said = "the network of largest 1/JSD of every method" if len(best) < len(scores) else "networks"
    yield Plot(
        f"Spectrum of {wanted.against} of the background before and after cuts, {said}.",
        plot_spectra(column, cuts, first.edges, label, weight),
        wide=True,
    )
    chances = {name: _ranks(own)[background] for name, own in best.items()}
    yield Plot(
        f"Mean rank of the background's score, 0 to 1, against {wanted.against}, {said}.",
        plot_profile(chances, column, first.edges, label, weight),
    )


def _cut(own: _Score, efficiency: float) -> float:
    return roc(own.score, own.truth, own.weight).threshold_at(efficiency)


def _ranks(own: _Score) -> NDArray[np.float64]:
    """Return the share of the events that have a smaller score, (events,)."""
    order = np.argsort(np.argsort(own.score, kind="stable"), kind="stable")
    return order / max(len(order) - 1, 1)


def _points(
    outcome: Predictions, scores: dict[str, _Score], efficiency: float
) -> list[Decorrelated]:
    known = model_configs(outcome.study)
    found = []
    for name, own in scores.items():
        rejection = background_rejection(roc(own.score, own.truth, own.weight), efficiency)
        method = known[name].method if name in known else name
        strength = known[name].strength if name in known else None
        found.append(Decorrelated(method, strength, _inverse(own, efficiency), rejection))
    return found


def _chance(scores: dict[str, _Score], efficiency: float) -> float:
    """Return 1/JSD, on average, of a score that is independent of the column.

    c (B − 1) with c = (1/n_P + 1/n_F)/(8 ln 2), of the network that passes the fewest.
    """
    found = []
    for own in scores.values():
        weight, passed = own.weight[~own.truth], own.score[~own.truth] >= _cut(own, efficiency)
        sums = [w.sum() ** 2 / np.sum(w**2) for w in (weight[passed], weight[~passed]) if len(w)]
        found.append(sum(1 / n for n in sums) / (8 * np.log(2)) * (len(own.edges) - 2))
    return float(1 / max(found))


def _independent(
    outcome: Predictions, scores: dict[str, _Score], efficiency: float
) -> dict[str, _Score]:
    """Return the network of largest 1/JSD of every method, or all if they are few."""
    if len(scores) <= FEW:
        return scores
    best: dict[str, tuple[str, float]] = {}
    for name, point in zip(scores, _points(outcome, scores, efficiency), strict=True):
        value = point.inverse.value
        if point.method not in best or value > best[point.method][1]:
            best[point.method] = (name, value)
    return {name: scores[name] for name, _ in list(best.values())[:FEW]}
