"""Actions drawn at random, the lowest baseline."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from copy import deepcopy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.policies._policy import Policy

if TYPE_CHECKING:
    from gymnasium import Space


class Random(Policy):
    """Actions drawn from the action space, uniformly where it is bounded."""

    name = "random"

    def begin(self, observation: Space[Any], action: Space[Any], count: int) -> None:
        """Make a space with own random numbers for each episode."""
        from gymnasium.vector.utils import create_empty_array

        self._spaces, self._space = [deepcopy(action) for _ in range(count)], action
        self._actions = create_empty_array(action, count)

    def reset(self, index: NDArray[np.int64], generators: Sequence[np.random.Generator]) -> None:
        """Seed the spaces of the episodes that begin."""
        for k, random in zip(index, generators, strict=True):
            self._spaces[k].seed(int(random.integers(2**31)))

    def act(self, observation: Any, info: Mapping[str, Any]) -> Any:
        """Return one sample of each space."""
        from gymnasium.vector.utils import concatenate

        actions: Any = self._actions
        return concatenate(self._space, [one.sample() for one in self._spaces], actions)
