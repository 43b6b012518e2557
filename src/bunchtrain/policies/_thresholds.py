"""Thresholds from the monitored quantiles of an event stream, and actions made of them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import StudyError
from bunchtrain.policies._policy import Policy, require_fields

if TYPE_CHECKING:
    from gymnasium import Space

_Floats = NDArray[np.float64]
_PREFIX = "quantiles_"


class ThresholdPolicy(Policy):
    """Base of policies that set the thresholds of scores from monitored quantiles.

    The score s(f) that a fraction f of the events exceeds is interpolated linearly in log f between
    the monitored tails, and extrapolated along the two outermost.

    budget  rate in kHz; that of the environment if None.
    """

    def __init__(self, *, budget: float | None = None) -> None:
        self.budget = budget

    def begin(self, observation: Space[Any], action: Space[Any], count: int) -> None:
        """Find the scores; StudyError if the environment has none that are monitored."""
        self.need_fields(observation)
        self._keys = [key for key in getattr(observation, "spaces", {}) if key.startswith(_PREFIX)]
        self._action = action
        self._box: Any = getattr(action, "spaces", {}).get("threshold", action)
        self.first = np.ones(count, bool)  # episodes without an action

    def need_fields(self, observation: Space[Any]) -> None:
        """Raise StudyError if the observation is not that of an event stream."""
        require_fields(self.name, observation, ["last_rate", "last_input_rate", "last_threshold"])

    def reset(self, index: NDArray[np.int64], generators: Sequence[np.random.Generator]) -> None:
        """Forget the episodes at these places."""
        self.first[index] = True

    def wanted_fraction(self, observation: Mapping[str, Any], info: Mapping[str, Any]) -> _Floats:
        """Return the fraction of the events that fills the budget, (episodes,).

        Raises StudyError if the budget is not below the rate of all events at the begin.
        """
        rate = np.asarray(observation["last_input_rate"], np.float64)[:, 0]
        budget = np.asarray(info["budget"], np.float64) if self.budget is None else self.budget
        found: _Floats = budget / rate
        if self.budget is not None and (found >= 1)[self.first].any():
            raise StudyError(
                f"policy '{self.name}': budget {self.budget:g} kHz is not below the rate of all "
                f"events, {rate[self.first].min():g} kHz; lower it"
            )
        return found

    def quantiles(self, observation: Mapping[str, Any]) -> _Floats:
        """Return the monitored quantiles, (episodes, scores, tails)."""
        return np.stack([np.asarray(observation[key], np.float64) for key in self._keys], 1)

    def as_action(self, thresholds: _Floats, prescale: _Floats | None = None) -> Any:
        """Return thresholds (episodes, scores) as action, moved into its limits."""
        kept = np.clip(thresholds, self._box.low, self._box.high).astype(np.float32)
        if self._box is self._action:
            return kept
        scale = np.ones(len(kept)) if prescale is None else prescale
        return {"threshold": kept, "prescale": scale[:, None].astype(np.float32)}


def score_at(quantiles: _Floats, tails: _Floats, fraction: _Floats) -> _Floats:
    """Return the scores that a fraction of the events exceeds, (episodes, scores).

    quantiles  (episodes, scores, tails) of the score.
    tails      (tails,) ascending fractions above them.
    fraction   (episodes,).
    """
    known, wanted = np.log(tails), np.log(fraction)[:, None]
    left = np.clip(np.searchsorted(known, wanted[:, 0]) - 1, 0, len(known) - 2)
    share = (wanted[:, 0] - known[left]) / (known[left + 1] - known[left])
    episode = np.arange(len(left))
    low, high = quantiles[episode, :, left], quantiles[episode, :, left + 1]
    found: _Floats = low + share[:, None] * (high - low)
    return found
