"""One action for the whole episode: a threshold set on a calibration sample, or a given one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from bunchtrain.errors import StudyError, shorten
from bunchtrain.parts.ranges import Finite, Positive
from bunchtrain.policies._thresholds import ThresholdPolicy, score_at

if TYPE_CHECKING:
    from gymnasium import Space


class Fixed(ThresholdPolicy):
    """The same action in every step.

    Without an action it is the threshold of an event stream that fills the budget at the luminosity
    and with the calibration sample of the first observation; each of S scores has 1/S of it.

    action      in every step: a number, or a list for an action of several.
    budget      rate in kHz; that of the environment if None.
    luminosity  for which the threshold is set; that of the first observation if None.
    """

    name = "fixed"

    def __init__(
        self,
        *,
        action: Finite | list[Finite] | None = None,
        budget: Positive | None = None,
        luminosity: Positive | None = None,
    ) -> None:
        super().__init__(budget=budget)
        self.action, self.luminosity = action, luminosity

    def begin(self, observation: Space[Any], action: Space[Any], count: int) -> None:
        """Check that a given action lies in the space."""
        self._actions: Any = None
        if self.action is None:
            super().begin(observation, action, count)
            self._chosen = np.zeros((count, len(self._keys)))
            return
        given = np.asarray(self.action, action.dtype)
        given = np.broadcast_to(given, action.shape or ()) if given.ndim == 0 else given
        one = given[()] if not action.shape else given
        if not action.contains(one) or (
            given.dtype.kind in "iu" and np.any(given != np.asarray(self.action))
        ):
            raise StudyError(
                f"policy 'fixed': action {shorten(self.action)} is outside of the action space "
                f"{action}"
            )
        self._actions, self.first = np.stack([given] * count), np.ones(count, bool)

    def act(self, observation: Any, info: Mapping[str, Any]) -> Any:
        """Return the action of each episode."""
        if self._actions is not None:
            return self._actions
        if self.first.any():
            fraction = self.wanted_fraction(observation, info) / len(self._keys)
            if self.luminosity is not None:
                level = np.asarray(observation["last_luminosity"], np.float64)[:, 0]
                fraction = np.minimum(fraction * level / self.luminosity, 1.0)
            scores = score_at(self.quantiles(observation), np.asarray(info["tails"])[0], fraction)
            self._chosen[self.first] = scores[self.first]
            self.first[:] = False
        return self.as_action(self._chosen)
