"""The standard deviation of a difference of two AUCs of the same events, at most partly shifted.

A bootstrap of events triples the term of the variance that belongs to pairs of events, DeLong's
formula doubles it (Efron and Stein, Ann. Statist. 9, 586). Of a small shift, which exchanges few
pairs, it is not small; here it is subtracted once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.statistics.scored_events import ScoredEvents

_Floats = NDArray[np.float64]
#: Pairs of a signal and a background event from which the term of pairs is estimated.
PAIRS = 20_000


@dataclass(frozen=True)
class _Placed:
    """One side at all entries of both, with weight 0 where it has no event.

    share   w/W of each entry, with the sum W of the weights of its class.
    placed  fraction V of the other class that it is ordered rightly with.
    score   its score.
    area    A.
    """

    share: _Floats
    placed: _Floats
    score: _Floats
    area: float

    def of_pairs(self, signal: NDArray[Any], background: NDArray[Any]) -> _Floats:
        """Return w w' ([s > b] − V − V' + A)/(W_S W_B) of pairs of entries."""
        s, b = self.score[signal], self.score[background]
        ordered = (s > b) + 0.5 * (s == b)
        rest = ordered - self.placed[signal] - self.placed[background] + self.area
        return np.asarray(self.share[signal] * self.share[background] * rest)


def auc_change_std(nominal: ScoredEvents, shifted: ScoredEvents, seed: int = 1) -> float:
    """Return the standard deviation of AUC(shifted) − AUC(nominal).

    σ² = Σ_c n_c/(n_c − 1) Σ_i δ_i² − Σ_ij ε_ij² over the entries i of the classes c and all pairs
    of signal and background, with the difference δ_i of w (V − A)/W and that ε_ij of
    w w' ([s > b] − V − V' + A)/(W_S W_B).

    nominal  Scores of the nominal events.
    shifted  Scores of the shifted events, some of which may be in only one of both.
    seed     Seed of the pairs by which the second sum is estimated.
    """
    sides = (nominal, shifted)
    entries, at = np.unique(np.concatenate([one.entry for one in sides]), return_inverse=True)
    before = _placed(nominal, at[: len(nominal.entry)], len(entries))
    after = _placed(shifted, at[len(nominal.entry) :], len(entries))
    truth = np.zeros(len(entries), bool)
    truth[at] = np.concatenate([one.truth for one in sides])
    classes = [np.flatnonzero(truth == one) for one in (True, False)]
    delta = after.share * (after.placed - after.area) - before.share * (before.placed - before.area)
    single = sum(float(np.sum(delta[c] ** 2)) * len(c) / max(len(c) - 1, 1) for c in classes)
    random = np.random.default_rng(seed)
    pairs = [random.choice(c, PAIRS) for c in classes]
    epsilon = after.of_pairs(pairs[0], pairs[1]) - before.of_pairs(pairs[0], pairs[1])
    double = len(classes[0]) * len(classes[1]) * float(np.mean(epsilon**2))
    return float(np.sqrt(max(single - double, single / 2)))


def _placed(events: ScoredEvents, at: NDArray[Any], size: int) -> _Placed:
    """Return a side at its positions among all entries."""
    _, rank = np.unique(events.score, return_inverse=True)
    signal = np.bincount(rank, events.weight * events.truth)
    background = np.bincount(rank, events.weight * ~events.truth)
    total = np.where(events.truth, signal.sum(), background.sum())
    below_signal = (np.cumsum(signal) - signal / 2) / signal.sum()
    below_background = (np.cumsum(background) - background / 2) / background.sum()
    placed = np.where(events.truth, below_background[rank], 1 - below_signal[rank])
    found = np.zeros((3, size))
    found[:, at] = events.weight / total, placed, events.score
    area = float(np.sum((found[0, at] * placed)[events.truth]))
    return _Placed(found[0], found[1], found[2], area)
