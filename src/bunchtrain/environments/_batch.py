"""Environments of a batch of episodes as `gymnasium.vector.VectorEnv` and as `gymnasium.Env`."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import gymnasium
import numpy as np
from gymnasium.vector import AutoresetMode, VectorEnv
from gymnasium.vector.utils import batch_space
from numpy.typing import NDArray

from bunchtrain.environments._environment import Environment


class BatchEnv(VectorEnv[Any, Any, Any]):
    """The episodes of a batch as sub-environments, which the caller resets when they have ended.

    environment  that computes them.
    num_envs     number of episodes.
    """

    def __init__(self, environment: Environment, num_envs: int) -> None:
        self.environment, self.num_envs = environment, num_envs
        self.metadata = {"autoreset_mode": AutoresetMode.DISABLED}
        self.single_observation_space, self.single_action_space = environment.spaces()
        self.observation_space = batch_space(self.single_observation_space, num_envs)
        self.action_space = batch_space(self.single_action_space, num_envs)
        environment.begin(num_envs)

    def reset(
        self,
        *,
        seed: int | Sequence[int | None] | None = None,
        options: Mapping[str, Any] | None = None,
    ) -> tuple[Any, dict[str, Any]]:
        """Begin new episodes, those of `options["reset_mask"]` (num_envs,) or all.

        seed  of each episode, or of the first one, of which the others are the next numbers.
        """
        if seed is None or isinstance(seed, int | np.integer):
            start = None if seed is None else int(seed)
            seed = [None if start is None else start + k for k in range(self.num_envs)]
        seeds = list(seed)
        mask = (options or {}).get("reset_mask", np.ones(self.num_envs, bool))
        index = np.flatnonzero(mask)
        observation, info = self.environment.reset(
            index, [np.random.default_rng(seeds[k]) for k in index.tolist()]
        )
        return observation, dict(info)

    def step(self, actions: Any) -> tuple[Any, Any, Any, Any, dict[str, Any]]:
        """Take one step of all episodes."""
        *found, info = self.environment.step(actions)
        return (*found, dict(info))


class SingleEnv(gymnasium.Env[Any, Any]):
    """One episode, as learning libraries read it.

    environment  that computes it.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        self.observation_space, self.action_space = environment.spaces()
        environment.begin(1)

    def reset(
        self, *, seed: int | None = None, options: Mapping[str, Any] | None = None
    ) -> tuple[Any, dict[str, Any]]:
        """Begin a new episode; without a seed the random numbers continue."""
        super().reset(seed=seed)
        own = np.random.default_rng(self.np_random.integers(2**63) if seed is None else seed)
        observation, info = self.environment.reset(np.zeros(1, np.int64), [own])
        return _first(observation), _first_info(info)

    def step(self, action: Any) -> tuple[Any, float, bool, bool, dict[str, Any]]:
        """Take one step."""
        batch = _batched(action)
        observation, reward, terminated, truncated, info = self.environment.step(batch)
        return (
            _first(observation),
            float(reward[0]),
            bool(terminated[0]),
            bool(truncated[0]),
            _first_info(info),
        )


def _batched(action: Any) -> Any:
    if isinstance(action, Mapping):
        return {name: np.asarray(value)[None] for name, value in action.items()}
    return np.asarray(action)[None]


def _first(observation: Any) -> Any:
    if isinstance(observation, Mapping):
        return {name: value[0] for name, value in observation.items()}
    return observation[0]


def _first_info(info: Mapping[str, NDArray[Any]]) -> dict[str, Any]:
    return {name: value[0] for name, value in info.items()}
