"""Temperature scaling: one parameter for the logits, or for the width (arXiv:1706.04599).

Classes: p_k ∝ p_k^{1/T}, which is softmax(logits/T). Values: σ → sσ with s² = ⟨(y − μ)²/σ²⟩; a
network that predicts no σ gets the constant one, s (arXiv:1905.11659 scales σ likewise). Both
maximise the likelihood of the validation set; the order of events and means do not change. Where a
posterior of the weights gives the σ_m of the mean alone, σ² = s² + σ_m² with ⟨(y − μ)²/σ²⟩ = 1.
"""

from __future__ import annotations

import math

import torch
from scipy.optimize import brentq, minimize_scalar
from torch import Tensor

from bunchtrain.targets import Quantity
from bunchtrain.uncertainty.calibration import Calibration, Quantities, predicted_std

#: Bounds on log T.
RANGE = math.log(0.02), math.log(50)


def _noise(residual: Tensor, std: Tensor, weight: Tensor) -> float:
    """Return s with Σ w r²/(s² + σ²) = Σ w, or 0 where that of s = 0 is smaller already.

    residual, std, weight  (events,) each: r, σ and w.
    """

    def excess(noise: float) -> float:
        pulls = residual.square() / (noise**2 + std.square()).clamp(min=1e-300)
        return float((weight * pulls).sum() / weight.sum()) - 1

    largest = float(residual.abs().max())
    if largest == 0 or excess(0.0) <= 0:
        return 0.0
    return float(brentq(excess, 0.0, largest, xtol=1e-6 * largest))


class Temperature(Calibration):
    """One temperature for the probabilities, or one factor on σ (arXiv:1706.04599)."""

    def fit(self, predictions: Quantities, truth: Tensor, weight: Tensor) -> None:
        """Fit the temperature, or the factor of each value."""
        if self.target.classes:
            self.numbers = {"temperature": [self._temperature(predictions, truth, weight)]}
            return
        for column, value in enumerate(self.target.values):
            residual = predictions[Quantity(value)] - truth[:, column]
            std = predicted_std(predictions, value)
            if self.sigma_is_of_model:
                self.numbers[value] = [_noise(residual.double(), std.double(), weight.double())]
                continue
            # The pulls may be as large as the unit of the value is small.
            mean = (weight.double() * (residual / std).double().square()).sum() / weight.sum()
            self.numbers[value] = [math.sqrt(float(mean))]

    def _temperature(self, predictions: Quantities, truth: Tensor, weight: Tensor) -> float:
        logs = self._log_probabilities(predictions).double()  # (class, events)
        weight = (weight / weight.sum()).double()

        def loss(log_t: float) -> float:
            likelihood = (logs / math.exp(log_t)).log_softmax(0).gather(0, truth[None])[0]
            return -float((weight * likelihood).sum())

        return math.exp(minimize_scalar(loss, bounds=RANGE, method="bounded").x)

    def _log_probabilities(self, predictions: Quantities) -> Tensor:
        return self.stack_probabilities(predictions).clamp(min=1e-30).log()

    def apply(self, predictions: Quantities) -> Quantities:
        """Return the predictions with calibrated probabilities, or calibrated σ."""
        if self.target.classes:
            return predictions | self._probabilities(predictions)
        found = dict(predictions)
        for value in self.target.values:
            std, (number,) = predicted_std(predictions, value), self.numbers[value]
            found[Quantity(value, "sigma")] = number * std
            if self.sigma_is_of_model:
                found[Quantity(value, "sigma")] = torch.hypot(std, std.new_tensor(number))
                found[Quantity(value, "sigma_model")] = std
        return found

    def _probabilities(self, predictions: Quantities) -> Quantities:
        """Return the probabilities, and their σ by dp'/dp = p'(1 − p')/(T p(1 − p))."""
        temperature = self.numbers["temperature"][0]
        calibrated = (self._log_probabilities(predictions) / temperature).softmax(0)
        found: Quantities = {}
        stds: Quantities = {}
        for name, p in zip(self.target.classes, calibrated, strict=True):
            quantity, std = Quantity(name), Quantity(name, "sigma")
            found[quantity] = p
            if std in predictions:
                before = predictions[quantity].clamp(1e-12, 1 - 1e-7)
                slope = p * (1 - p) / (temperature * before * (1 - before))
                stds[std] = slope * predictions[std]
        return found | stds
