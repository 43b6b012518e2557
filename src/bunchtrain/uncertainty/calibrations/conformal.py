"""Conformal prediction: intervals and sets with guaranteed marginal coverage of the truth.

With n validation events exchangeable with the new one, and q the ⌈(n + 1)α⌉-th smallest of their
nonconformity scores s, the new event has s ≤ q with a probability of at least α for any network
(split conformal prediction, arXiv:1604.04173; arXiv:2107.07511 is an introduction). The score is
|y − μ|/σ for values, with σ = 1 where none is predicted, and 1 − p of the true class for classes.
"""

from __future__ import annotations

import torch
from torch import Tensor

from bunchtrain.errors import DataError, StudyError
from bunchtrain.parts.ranges import InnerFractions
from bunchtrain.targets import Quantity, Target
from bunchtrain.uncertainty.calibration import Calibration, Quantities, predicted_std

#: Added to the quantile of 1 − p, so that events of equal scores, as those of trees, have the same
#: sets whatever rounds them: another batch, device or export.
ROUNDING = 1e-6


class Conformal(Calibration):
    """Intervals of values, sets of classes, with guaranteed coverage (arXiv:1604.04173).

    For each level adds the ends of the interval of each value, `<value>_low68` and
    `<value>_high68`, or 1 for each class in the set, `<class>_in68`.

    levels  nominal coverages α, fractions of events with the truth inside.
    """

    def __init__(self, target: Target, *, levels: InnerFractions = (0.68, 0.95)) -> None:
        super().__init__(target)
        if not levels or not all(0 < level < 1 for level in levels):
            raise StudyError(
                f"calibration 'conformal': option 'levels' must be numbers between 0 and 1, got "
                f"{list(levels)}"
            )
        self.levels = levels

    def fit(self, predictions: Quantities, truth: Tensor, weight: Tensor) -> None:
        """Fit the quantiles of the nonconformity scores.

        Raises DataError if there are too few events for a level.
        """
        if self.target.classes:
            true = self.stack_probabilities(predictions).gather(0, truth[None])[0]
            scores = {"classes": 1 - true}
        else:
            scores = {
                value: (predictions[Quantity(value)] - truth[:, column]).abs()
                / predicted_std(predictions, value)
                for column, value in enumerate(self.target.values)
            }
        for name, found in scores.items():
            self.numbers[name] = [self._quantile(found, weight, level) for level in self.levels]

    def _quantile(self, scores: Tensor, weight: Tensor, level: float) -> float:
        ordered, order = scores.double().sort()
        below = weight.double()[order].cumsum(0)
        total = float(below[-1])
        needed = level * total * (1 + 1 / len(scores))  # includes the new event
        index = int(torch.searchsorted(below, needed - 1e-9 * total))
        if index >= len(ordered):
            raise DataError(
                f"calibration 'conformal': {len(scores)} validation events are too few for a level "
                f"of {level:g}; enlarge the validation set or lower the level"
            )
        return float(ordered[index])

    def apply(self, predictions: Quantities) -> Quantities:
        """Return the predictions with the ends of the intervals, or the classes of the sets."""
        found = dict(predictions)
        for k, level in enumerate(self.levels):
            for name in self.target.classes:
                probability = predictions[Quantity(name)]
                inside = 1 - probability <= self.numbers["classes"][k] + ROUNDING
                found[Quantity(name, "in_set", level)] = inside.to(probability.dtype)
            for value in self.target.values:
                centre = predictions[Quantity(value)]
                half_width = self.numbers[value][k] * predicted_std(predictions, value)
                found[Quantity(value, "low", level)] = centre - half_width
                found[Quantity(value, "high", level)] = centre + half_width
        return found
