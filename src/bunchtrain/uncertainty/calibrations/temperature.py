"""Temperature scaling: one number on the logits, or on the width (arXiv:1706.04599).

Classes: p_k ∝ p_k^{1/T}, which is softmax(logits/T). Values: σ → sσ with s² = ⟨(y − μ)²/σ²⟩; a
network that predicts no σ gets the constant one, s (arXiv:1905.11659 scales σ likewise). Both are
where the likelihood of the validation set is largest, and leave order and means as they are.
"""

from __future__ import annotations

import math

import torch
from scipy.optimize import minimize_scalar
from torch import Tensor

from bunchtrain.heads._loss import TargetShape
from bunchtrain.uncertainty.calibration import Calibration, Scores, deviations

#: Bounds on log T.
RANGE = math.log(0.02), math.log(50)


class Temperature(Calibration):
    """One temperature for the probabilities, or one factor on σ (arXiv:1706.04599)."""

    def __init__(self, target: TargetShape) -> None:
        super().__init__(target)

    def fit(self, scores: Scores, truth: Tensor, weight: Tensor) -> None:
        """Fit the temperature, or the factor of each value."""
        if self.target.classes:
            self.numbers = {"temperature": [self._temperature(scores, truth, weight)]}
            return
        for number, value in enumerate(self.target.values):
            pulls = (scores[value] - truth[:, number]) / deviations(scores, value)
            mean = (weight * pulls.square()).sum() / weight.sum()
            self.numbers[value] = [math.sqrt(max(float(mean), 1e-30))]

    def _temperature(self, scores: Scores, truth: Tensor, weight: Tensor) -> float:
        logs = self._logs(scores).double()  # (class, events)
        weight = (weight / weight.sum()).double()

        def loss(log_t: float) -> float:
            likelihood = (logs / math.exp(log_t)).log_softmax(0).gather(0, truth[None])[0]
            return -float((weight * likelihood).sum())

        return math.exp(minimize_scalar(loss, bounds=RANGE, method="bounded").x)

    def _logs(self, scores: Scores) -> Tensor:
        stacked = torch.stack([scores[name] for name in self.target.classes])
        return stacked.clamp(min=1e-30).log()

    def apply(self, scores: Scores) -> Scores:
        """Return the scores with other probabilities, or other σ."""
        if self.target.classes:
            return scores | self._probabilities(scores)
        return scores | {
            f"{value}_sigma": self.numbers[value][0] * deviations(scores, value)
            for value in self.target.values
        }

    def _probabilities(self, scores: Scores) -> Scores:
        """Return the probabilities, and their σ by dp'/dp = p'(1 − p')/(T p(1 − p))."""
        temperature = self.numbers["temperature"][0]
        calibrated = (self._logs(scores) / temperature).softmax(0)
        found = dict(zip(self.target.classes, calibrated, strict=True))
        for name, p in list(found.items()):
            if f"{name}_sigma" in scores:
                before = scores[name].clamp(1e-12, 1 - 1e-7)
                slope = p * (1 - p) / (temperature * before * (1 - before))
                found[f"{name}_sigma"] = slope * scores[f"{name}_sigma"]
        return found
