"""Changes of metrics when the events are shifted by a systematic effect.

Nominal and shifted scores belong to the same events, so that their statistical fluctuations mostly
cancel. The error of a difference is its standard deviation over bootstrap samples (Efron, Ann.
Statist. 7, 1, 1979) in which each event has the same Poisson weight on both sides; that of the AUC
is `auc_change_std`.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import DataError
from bunchtrain.statistics.auc_change import auc_change_std
from bunchtrain.statistics.likelihood.binning import optimal_binning
from bunchtrain.statistics.likelihood.workspace import histogram
from bunchtrain.statistics.metrics import Measurement, asimov, auc, roc
from bunchtrain.statistics.scored_events import ScoredEvents, bootstrap_weights

#: Number of bootstrap samples.
SAMPLES = 50


@dataclass(frozen=True)
class CutsAndBins:
    """Cuts on a score and bins of it, fixed on the nominal events.

    cuts   signal efficiency → cut, score ≥ cut.
    edges  (bins + 1,) of the binned significance.
    scale  factor on weights that makes s and b expected event counts.
    """

    cuts: dict[float, float]
    edges: NDArray[Any]
    scale: float = 1.0

    def measure(self, events: ScoredEvents, weight: NDArray[Any]) -> dict[str, float]:
        """Return the metrics but the AUC of events with these weights (events,)."""
        truth, curve = events.truth, roc(events.score, events.truth, weight)
        found = {}
        totals = weight[truth].sum(), weight[~truth].sum()
        for efficiency, cut in self.cuts.items():
            passed, name = events.score >= cut, f"{100 * efficiency:g}"
            found[f"mistag_{name}"] = float(curve.background_at([efficiency])[0][0])
            found[f"signal_passing_{name}"] = float(weight[truth & passed].sum() / totals[0])
            found[f"background_passing_{name}"] = float(weight[~truth & passed].sum() / totals[1])
        found["significance"] = self.significance(events, weight)
        return found

    def significance(self, events: ScoredEvents, weight: NDArray[Any]) -> float:
        """Return √Σ_b Z_A(s_b, b_b)² of a set of events with these weights (events,)."""
        truth = events.truth
        s, b = (
            histogram(events.score[side], self.edges, weight[side], self.scale)[0]
            for side in (truth, ~truth)
        )
        filled = b > 0
        return float(np.sqrt((asimov(np.maximum(s, 0)[filled], b[filled]) ** 2).sum()))


def fix_cuts_and_bins(
    nominal: ScoredEvents,
    efficiencies: Iterable[float],
    scale: float = 1.0,
    bins: int = 10,
    min_background: float = 10.0,
) -> CutsAndBins:
    """Return the cuts of some signal efficiencies and the bins of largest significance.

    nominal         Scores of the nominal events.
    efficiencies    Signal efficiencies of the cuts.
    scale           Factor on weights that makes s and b expected event counts.
    bins            Largest number of bins.
    min_background  Effective number of background events that every bin needs.
    """
    score, truth, weight = nominal.score, nominal.truth, nominal.weight
    curve = roc(score, truth, weight)
    cuts = {efficiency: curve.threshold_at(efficiency) for efficiency in efficiencies}
    edges = optimal_binning(
        score, truth, weight, bins=bins, min_background=min_background, scale=scale
    )
    return CutsAndBins(cuts, edges, scale)


def binning_optimism(
    nominal: ScoredEvents, fixed: CutsAndBins, bins: int, min_background: float, samples: int
) -> float:
    """Return by which share the significance of the best bins exceeds the true one, on average.

    Bins of the largest significance on the same events follow their fluctuations: o/Z with the mean
    o of Z*(e*) − Z(e*) over bootstrap samples Z* with their own best bins e* (Efron, J. Am. Stat.
    Assoc. 78, 316).

    nominal         Scores of the nominal events.
    fixed           Their bins.
    bins            Largest number of bins.
    min_background  Effective number of background events that every bin needs.
    samples         Number of bootstrap samples.
    """
    excess = []
    for index in range(samples):
        weight = nominal.weight * bootstrap_weights(nominal.entry, 1, index)
        try:
            edges = optimal_binning(
                nominal.score, nominal.truth, weight,
                bins=bins, min_background=min_background, scale=fixed.scale,
            )  # fmt: skip
        except DataError:  # too few events for one bin in this sample
            continue
        own = CutsAndBins({}, edges, fixed.scale)
        excess.append(own.significance(nominal, weight) - own.significance(nominal, nominal.weight))
    value = fixed.significance(nominal, nominal.weight)
    return max(float(np.mean(excess)) / value, 0.0) if excess and value > 0 else 0.0


def measure_changes(
    fixed: CutsAndBins, nominal: ScoredEvents, shifted: ScoredEvents, seed: int = 1
) -> dict[str, tuple[float, Measurement]]:
    """Return metric → its nominal value and its change, with the error of the change.

    `mistag_50` is ε_B at a signal efficiency of 50 % on the given events; `signal_passing_50` and
    `background_passing_50` are the efficiencies of the nominal cut, those of an analysis in which
    the shift is not known.

    fixed    Cuts and bins of the nominal events.
    nominal  Scores of the nominal events.
    shifted  Scores of the shifted events, some of which may be selected in only one of both.
    seed     Seed of the bootstrap.
    """
    sides = (nominal, shifted)
    before, after = (fixed.measure(side, side.weight) for side in sides)
    areas = [auc(roc(side.score, side.truth, side.weight)).value for side in sides]
    change = Measurement(areas[1] - areas[0], auc_change_std(nominal, shifted, seed))
    found = {"auc": (areas[0], change)}
    replicas = [
        [
            fixed.measure(side, side.weight * bootstrap_weights(side.entry, seed, index))
            for index in range(SAMPLES)
        ]
        for side in sides
    ]
    for name, value in before.items():
        difference = [b[name] - a[name] for a, b in zip(*replicas, strict=True)]
        change = Measurement(after[name] - value, float(np.std(difference, ddof=1)))
        found[name] = (value, change)
    return found
