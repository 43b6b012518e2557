"""Learning rate schedules, as factors on the peak rate."""

from __future__ import annotations

import math
from dataclasses import dataclass

#: First and last factor of the one-cycle policy and the fraction of steps up to its peak.
ONE_CYCLE = (1 / 25, 1e-4 / 25, 0.3)


def factor(schedule: str, progress: float, warmup: float = 0.0) -> float:
    """Return the learning rate relative to its peak, at a completed fraction in [0, 1].

    With t = (progress − warmup) / (1 − warmup) after a linear warm-up: cosine (1 + cos πt)/2
    (arXiv:1608.03983), exponential 100^−t, one_cycle as arXiv:1708.07120; plateau and constant 1.
    """
    if progress < warmup:
        return progress / warmup
    t = (progress - warmup) / (1 - warmup)
    if schedule == "cosine":
        return _anneal(1.0, 0.0, t)
    if schedule == "exponential":
        return math.exp(-t * math.log(100))
    if schedule == "one_cycle":
        first, last, peak = ONE_CYCLE
        rising = t < peak
        return (
            _anneal(first, 1.0, t / peak) if rising else _anneal(1, last, (t - peak) / (1 - peak))
        )
    return 1.0


def _anneal(start: float, end: float, t: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * t)) / 2


@dataclass
class Plateau:
    """Halve the learning rate when the validation loss has not improved for three epochs."""

    factor: float = 1.0
    best: float = math.inf
    waited: int = 0

    def update(self, loss: float, reduction: float = 0.5, patience: int = 3) -> None:
        """Update the factor with the validation loss of an epoch."""
        self.waited = 0 if loss < self.best else self.waited + 1
        self.best = min(self.best, loss)
        if self.waited >= patience:
            self.factor, self.waited = self.factor * reduction, 0
