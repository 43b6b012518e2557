"""The interface of policies, which choose actions for a batch of episodes."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import StudyError, nearest, one_of

if TYPE_CHECKING:
    from gymnasium import Space


class Policy(ABC):
    """A policy: observations of a batch of episodes → their actions.

    What it remembers of an episode must not depend on the other episodes of the batch. A learned
    policy loads its network in its constructor and returns `network(observation)`.
    """

    #: Name of the part in messages.
    name: str = "policy"

    def begin(self, observation: Space[Any], action: Space[Any], count: int) -> None:  # noqa: B027
        """Allocate the state of a batch of episodes.

        observation  space of the observation of one episode.
        action       space of its action.
        count        number of episodes of the batch.

        Raises StudyError if the policy does not fit these spaces.
        """

    def reset(  # noqa: B027
        self, index: NDArray[np.int64], generators: Sequence[np.random.Generator]
    ) -> None:
        """Forget the episodes at these places, (k,), and take generators for the new ones."""

    @abstractmethod
    def act(self, observation: Any, info: Mapping[str, Any]) -> Any:
        """Return an action for each episode.

        observation  array (episodes, ...), or name → such an array for a space of several fields.
        info         name → (episodes, ...), what the environment states beside the observation.
        """


def require_fields(policy: str, space: Space[Any], fields: Sequence[str]) -> None:
    """Raise StudyError, naming the nearest, if an observation lacks fields that a policy reads."""
    known = list(getattr(space, "spaces", {}))
    for one in fields:
        if one not in known:
            hint = nearest(one, known) or (f"; it has {one_of(known)}" if known else "")
            raise StudyError(
                f"policy '{policy}' needs an observation with the field '{one}', as that of "
                f"'event_stream'{hint}"
            )
