"""The interface of environments that are computed for a batch of episodes at once."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from gymnasium import Space

#: One array (episodes, ...), or a mapping of names to such arrays.
Observation: TypeAlias = Any
#: Name → numbers (episodes, ...), beside the observation.
Info: TypeAlias = Mapping[str, NDArray[Any]]
#: Observation, reward (episodes,), terminated (episodes,), truncated (episodes,), info.
Step: TypeAlias = tuple[Observation, NDArray[Any], NDArray[np.bool_], NDArray[np.bool_], Info]


class Environment(ABC):
    """An environment in which the episodes of a batch take each step together.

    Each episode draws from a generator of its own, so that it does not depend on the others.
    `environments._making` gives it the interfaces `gymnasium.vector.VectorEnv` and `gymnasium.Env`.
    """

    #: Largest number of steps of an episode, None without a limit.
    max_steps: int | None = None

    @abstractmethod
    def spaces(self) -> tuple[Space[Any], Space[Any]]:
        """Return the spaces of the observation and of the action of one episode."""

    @abstractmethod
    def begin(self, count: int) -> None:
        """Allocate the state of a batch of episodes."""

    @abstractmethod
    def reset(
        self, index: NDArray[np.int64], generators: Sequence[np.random.Generator]
    ) -> tuple[Observation, Info]:
        """Begin new episodes and return observation and info of the whole batch.

        index       (k,) places in the batch that begin.
        generators  of random numbers, one for each of them.
        """

    @abstractmethod
    def step(self, actions: Any) -> Step:
        """Take a step of all episodes of the batch; those that have ended are ignored."""
