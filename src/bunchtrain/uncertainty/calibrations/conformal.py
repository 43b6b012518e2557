"""Conformal prediction: intervals and sets that hold the truth as often as they say.

With n validation events exchangeable with the new one, and q the ⌈(n + 1)α⌉-th smallest of their
misfits s, the new event has s ≤ q with a probability of at least α, whatever the network is
(split conformal prediction, arXiv:1604.04173; arXiv:2107.07511 is an introduction). The misfit is
|y − μ|/σ for values, with σ = 1 where none is predicted, and 1 − p of the true class for classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bunchtrain.errors import DataError, StudyError
from bunchtrain.heads._loss import TargetShape
from bunchtrain.uncertainty.calibration import Calibration, Scores, deviations


class Conformal(Calibration):
    """Intervals of values, sets of classes, with guaranteed coverage (arXiv:1604.04173).

    Adds `<value>_low68` and `<value>_high68`, or `<class>_in68`, 1 for a class in the set, and the
    same for each level.

    levels  shares α of events whose truth shall be inside.
    """

    def __init__(self, target: TargetShape, *, levels: tuple[float, ...] = (0.68, 0.95)) -> None:
        super().__init__(target)
        if not levels or not all(0 < level < 1 for level in levels):
            raise StudyError(
                f"calibrate 'conformal': option 'levels' must be numbers between 0 and 1, got "
                f"{list(levels)}"
            )
        self.levels = levels

    def fit(self, scores: Scores, truth: Tensor, weight: Tensor) -> None:
        """Fit the quantiles of the misfit.

        Raises DataError if there are too few events for a level.
        """
        for name, misfit in self._misfits(scores, truth).items():
            self.numbers[name] = [self._quantile(misfit, weight, level) for level in self.levels]

    def _misfits(self, scores: Scores, truth: Tensor) -> Scores:
        if self.target.classes:
            probabilities = torch.stack([scores[name] for name in self.target.classes])
            return {"classes": 1 - probabilities.gather(0, truth[None])[0]}
        return {
            value: (scores[value] - truth[:, number]).abs() / deviations(scores, value)
            for number, value in enumerate(self.target.values)
        }

    def _quantile(self, misfit: Tensor, weight: Tensor, level: float) -> float:
        ordered, order = misfit.double().sort()
        share = weight.double()[order].cumsum(0)
        wanted = level * float(share[-1]) * (1 + 1 / len(misfit))  # the new event counts, too
        place = int(torch.searchsorted(share, wanted - 1e-9 * float(share[-1])))
        if place >= len(ordered):
            raise DataError(
                f"calibrate 'conformal': {len(misfit)} validation events are too few for a level "
                f"of {level:g}; enlarge the validation set or lower the level"
            )
        return float(ordered[place])

    def apply(self, scores: Scores) -> Scores:
        """Return the scores with the ends of the intervals, or the classes of the sets."""
        found = dict(scores)
        for k, level in enumerate(self.levels):
            ending = f"{100 * level:g}".replace(".", "p")
            for name in self.target.classes:
                inside = 1 - scores[name] <= self.numbers["classes"][k]
                found[f"{name}_in{ending}"] = inside.to(scores[name].dtype)
            for value in self.target.values:
                reach = self.numbers[value][k] * deviations(scores, value)
                found[f"{value}_low{ending}"] = scores[value] - reach
                found[f"{value}_high{ending}"] = scores[value] + reach
        return found
