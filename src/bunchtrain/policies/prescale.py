"""Fixed thresholds with a prescale that follows the rate, as a menu without adaptive cuts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, Any

import numpy as np
from pydantic import Field

from bunchtrain.parts.ranges import Positive
from bunchtrain.policies._policy import require_fields
from bunchtrain.policies._thresholds import ThresholdPolicy, score_at

if TYPE_CHECKING:
    from gymnasium import Space


class Prescale(ThresholdPolicy):
    """Thresholds fixed at a multiple of the budget, and a prescale that keeps the budget.

    The thresholds are set once, for `excess` times the budget at the begin. With the accepted rate
    r of the last block at the prescale n, the next one is max(1, n r/B): no score is looked at.

    budget  rate B in kHz; that of the environment if None.
    excess  rate without prescale at the begin, in units of the budget.
    """

    name = "prescale"

    def __init__(
        self,
        *,
        budget: Positive | None = None,
        excess: Annotated[float, Field(ge=1, le=1e6, allow_inf_nan=False)] = 2.0,
    ) -> None:
        super().__init__(budget=budget)
        self.excess = excess

    def begin(self, observation: Space[Any], action: Space[Any], count: int) -> None:
        """Allocate thresholds and prescales; StudyError if the action has no prescale."""
        super().begin(observation, action, count)
        require_fields("prescale", action, ["threshold", "prescale"])
        self._chosen, self._prescale = np.zeros((count, len(self._keys))), np.ones(count)

    def act(self, observation: Any, info: Mapping[str, Any]) -> Any:
        """Return the thresholds and the prescale of the next block."""
        wanted = self.wanted_fraction(observation, info)
        accepted = np.asarray(observation["last_rate"], np.float64)[:, 0]
        accepted = accepted / np.asarray(observation["last_input_rate"], np.float64)[:, 0]
        if self.first.any():
            each = np.minimum(self.excess * wanted / len(self._keys), 1.0)
            scores = score_at(self.quantiles(observation), np.asarray(info["tails"])[0], each)
            self._chosen[self.first] = scores[self.first]
        needed = np.where(self.first, self.excess, self._prescale * accepted / wanted)
        self._prescale = np.maximum(needed, 1.0)
        self.first[:] = False
        return self.as_action(self._chosen, self._prescale)
