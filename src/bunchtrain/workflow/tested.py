"""What finished runs test: their scores, those of several folds as one set."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from bunchtrain.errors import RunError
from bunchtrain.statistics.changes import Analysis, Scored
from bunchtrain.statistics.likelihood.binning import optimal_binning
from bunchtrain.statistics.metrics import roc
from bunchtrain.statistics.metrics import discriminant
from bunchtrain.workflow.prediction_table import Predictions, signal_of
from bunchtrain.workflow.result import Run


def several(runs: Run | Sequence[Run]) -> list[Run]:
    """Return one run, or runs of different folds, as a list."""
    return [runs] if isinstance(runs, Run) else list(runs)


def of_folds(outcomes: Sequence[Predictions]) -> Predictions:
    """Return the predictions of runs that test different folds as those of one set.

    Raises RunError if the runs are of different studies, or two of them test the same event.
    """
    first = outcomes[0]
    for other in outcomes[1:]:
        if (other.study.name, other.taggers) != (first.study.name, first.taggers):
            raise RunError("the runs have different networks; give runs of folds of one study")
    columns = {
        name: np.concatenate([one.columns[name] for one in outcomes]) for name in first.columns
    }
    check_apart([one.columns["entry"] for one in outcomes])
    return Predictions(first.study, columns)


def check_apart(entries: Sequence[np.typing.NDArray[np.int64]]) -> None:
    """Raise RunError if two sets of events have one in common, by their numbers (events,)."""
    together = np.concatenate(list(entries))
    if len(np.unique(together)) < len(together):
        raise RunError("two of the runs test the same events; give runs of different folds")


def class_target(outcome: Predictions, lacks: str) -> str:
    """Return the target with classes; RunError says that there are none, so that it `lacks`."""
    target = next(iter(outcome.classifiers), None)
    if target is None:
        raise RunError(f"study '{outcome.study.name}' has no classes, so there {lacks}")
    return target


def scored(outcome: Predictions, network: str, target: str) -> Scored:
    """Return the score of a network's signal class against all others."""
    scores = outcome.scores(network, target)
    if scores is None:
        raise RunError(f"network '{network}' has no scores for target '{target}'")
    signal, names = signal_of(outcome, target)
    others = [k for k in range(len(names)) if k != signal]
    truth = outcome.truth(target) == signal
    score = discriminant(scores, signal, others)
    return Scored(outcome.columns["entry"], score, truth, outcome.weights)


def fixed(nominal: Scored, runs: Sequence[Run], bins: int = 10, least: float = 10.0) -> Analysis:
    """Return the cuts and bins that an analysis would fix on nominal events.

    Each of n runs tests a fold, so that its `evaluation.luminosity_scale` counts 1/n.

    Args:
        nominal: Scores of all runs together.
        runs: of different folds.
        bins: Largest number of bins.
        least: Effective background events that every bin needs.
    """
    evaluation = runs[0].study.evaluation
    curve = roc(nominal.score, nominal.truth, nominal.weight)
    cuts = {e: curve.threshold_at(e) for e in evaluation.efficiencies}
    scale = evaluation.luminosity_scale / len(runs)
    edges = optimal_binning(
        nominal.score, nominal.truth, nominal.weight, bins=bins, min_background=least, scale=scale
    )
    return Analysis(cuts, edges, scale)
