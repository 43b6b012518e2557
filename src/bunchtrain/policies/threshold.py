"""Thresholds that follow the scores and the luminosity, so that the rate keeps its budget."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.parts.ranges import PointCount, Positive, UnitFraction
from bunchtrain.policies._thresholds import ThresholdPolicy, score_at

if TYPE_CHECKING:
    from gymnasium import Space


class Threshold(ThresholdPolicy):
    """Adaptive thresholds: the quantile of recent scores that fills the budget, with feedback.

    With the budget B and the input rate r of the last block, the fraction to accept is d = B/r, of
    which each of S scores has d/S. The threshold is s(e⁻ᶜ d/S), s the mean of the quantiles of the
    last blocks, and the correction c integrates how much more was accepted than intended,
    c ← c + γ log(o/d) with the accepted fraction o of the block and the d that it was set for.

    budget  rate in kHz; that of the environment if None.
    window  number of blocks whose quantiles are averaged.
    gain    γ of the feedback; 0 for quantiles alone.
    """

    name = "threshold"

    def __init__(
        self, *, budget: Positive | None = None, window: PointCount = 20, gain: UnitFraction = 0.3
    ) -> None:
        super().__init__(budget=budget)
        self.window, self.gain = window, gain

    def begin(self, observation: Space[Any], action: Space[Any], count: int) -> None:
        """Allocate the quantiles of the last blocks."""
        super().begin(observation, action, count)
        tails = getattr(observation, "spaces", {})[self._keys[0]].shape[0]
        self._recent = np.full((count, self.window, len(self._keys), tails), np.nan)
        self._blocks = np.zeros(count, np.int64)
        self._correction, self._wanted = np.zeros(count), np.ones(count)

    def reset(self, index: NDArray[np.int64], generators: Sequence[np.random.Generator]) -> None:
        """Forget the blocks of these episodes."""
        super().reset(index, generators)
        self._recent[index] = np.nan
        self._blocks[index], self._correction[index], self._wanted[index] = 0, 0.0, 1.0

    def act(self, observation: Any, info: Mapping[str, Any]) -> Any:
        """Return the thresholds of the next block."""
        self._correct(observation)
        every = np.arange(len(self._blocks))
        self._recent[every, self._blocks % self.window] = self.quantiles(observation)
        self._blocks += 1
        self._wanted = self.wanted_fraction(observation, info)
        self.first[:] = False
        mean = np.nansum(self._recent, 1) / np.minimum(self._blocks, self.window)[:, None, None]
        each = self._wanted * np.exp(-self._correction) / len(self._keys)
        scores = score_at(mean, np.asarray(info["tails"])[0], np.minimum(each, 1.0))
        return self.as_action(np.where(each[:, None] < 1, scores, self._box.low))

    def _correct(self, observation: Mapping[str, Any]) -> None:
        """Integrate log(accepted/intended) of the last block, where one was played."""
        rate = np.asarray(observation["last_rate"], np.float64)[:, 0]
        accepted = rate / np.asarray(observation["last_input_rate"], np.float64)[:, 0]
        is_measured = ~self.first & (accepted > 0) & (self._wanted < 1)
        with np.errstate(divide="ignore"):
            error = np.log(np.where(is_measured, accepted / self._wanted, 1.0))
        self._correction += self.gain * error
