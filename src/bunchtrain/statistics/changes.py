"""How figures move when the events are shifted by a systematic effect.

Nominal and shifted scores belong to the same events, so that their statistical fluctuations cancel
for the most part. The error of a difference is its spread over bootstrap samples (Efron, Ann.
Statist. 7, 1, 1979) in which each event has one Poisson weight on both sides.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.stats import poisson

from bunchtrain.statistics.likelihood.workspace import histogram
from bunchtrain.statistics.metrics import Measurement, auc, roc
from bunchtrain.statistics.metrics.significance import asimov
from bunchtrain.tables.hashing import hash_ids, uniform

#: Bootstrap samples.
SAMPLES = 50


@dataclass(frozen=True)
class Scored:
    """A score of a set of events.

    entry   (events,) numbers of the events in their source.
    score   (events,), large for signal.
    truth   (events,) bool, True for signal.
    weight  (events,).
    """

    entry: NDArray[Any]
    score: NDArray[Any]
    truth: NDArray[Any]
    weight: NDArray[Any]


@dataclass(frozen=True)
class Analysis:
    """What is fixed on nominal events: the cuts, and the bins of the score.

    cuts   signal efficiency → cut, score ≥ cut.
    edges  (bins + 1,) of the binned significance.
    scale  factor on weights that makes s and b expected event counts.
    """

    cuts: dict[float, float]
    edges: NDArray[Any]
    scale: float = 1.0

    def measure(self, scored: Scored, weight: NDArray[Any]) -> dict[str, float]:
        """Return the figures of a set of events with these weights (events,)."""
        truth, curve = scored.truth, roc(scored.score, scored.truth, weight)
        found = {"auc": auc(curve).value}
        totals = weight[truth].sum(), weight[~truth].sum()
        for efficiency, cut in self.cuts.items():
            passed, name = scored.score >= cut, f"{100 * efficiency:g}"
            found[f"mistag_{name}"] = float(curve.background_at([efficiency])[0][0])
            found[f"signal_passing_{name}"] = float(weight[truth & passed].sum() / totals[0])
            found[f"background_passing_{name}"] = float(weight[~truth & passed].sum() / totals[1])
        s, _ = histogram(scored.score[truth], self.edges, weight[truth], self.scale)
        b, _ = histogram(scored.score[~truth], self.edges, weight[~truth], self.scale)
        filled = b > 0
        found["significance"] = float(np.sqrt((asimov(s[filled], b[filled]) ** 2).sum()))
        return found


def changes(
    analysis: Analysis, nominal: Scored, shifted: Scored, seed: int = 1
) -> dict[str, tuple[float, Measurement]]:
    """Return figure → its nominal value and its change, with the error of the change.

    `mistag_50` is ε_B at a signal efficiency of 50 % on the events at hand;
    `signal_passing_50` and `background_passing_50` are the efficiencies of the nominal cut, which
    an analysis that does not know of the shift would have.

    Args:
        analysis: Cuts and bins.
        nominal: Scores of the events as they are.
        shifted: Scores of the shifted events; events may have come in or gone.
        seed: of the bootstrap.
    """
    before, after = (analysis.measure(side, side.weight) for side in (nominal, shifted))
    replicas = [_replicas(analysis, side, seed) for side in (nominal, shifted)]
    found = {}
    for name, value in before.items():
        difference = [b[name] - a[name] for a, b in zip(*replicas, strict=True)]
        error = float(np.std(difference, ddof=1))
        found[name] = (value, Measurement(after[name] - value, error))
    return found


def _replicas(analysis: Analysis, side: Scored, seed: int) -> list[dict[str, float]]:
    weights = (side.weight * replica(side.entry, seed, number) for number in range(SAMPLES))
    return [analysis.measure(side, weight) for weight in weights]


def replica(entry: NDArray[Any], seed: int, number: int) -> NDArray[np.float64]:
    """Return the Poisson weights of mean 1 of a bootstrap sample, (events,).

    An event has the same wherever it appears, by its number `entry`.
    """
    numbers = np.full(len(entry), number, np.int64)
    random = uniform(hash_ids(seed, "boot", np.asarray(entry, np.int64), numbers))
    return np.searchsorted(_CUMULATIVE, random, side="right").astype(np.float64)


_CUMULATIVE: Sequence[float] = poisson.cdf(np.arange(12), 1.0)
