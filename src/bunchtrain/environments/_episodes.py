"""Episodes of a batch that are played together, step by step, as rows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from bunchtrain import parts
from bunchtrain.environments._columns import action_columns, check_space, observation_columns
from bunchtrain.errors import BunchtrainError, StudyError, shorten

if TYPE_CHECKING:
    from gymnasium import Space
    from gymnasium.vector import VectorEnv

_Columns = dict[str, NDArray[Any]]


class Acting(Protocol):
    """What chooses the actions: `policies._policy.Policy`."""

    def begin(self, observation: Space[Any], action: Space[Any], count: int) -> None:
        """Allocate the state of a batch of episodes."""

    def reset(self, index: NDArray[np.int64], generators: Sequence[np.random.Generator]) -> None:
        """Forget the episodes at these places."""

    def act(self, observation: Any, info: Mapping[str, Any]) -> Any:
        """Return an action for each episode."""


def play(
    env: VectorEnv[Any, Any, Any],
    policy: Acting,
    first: int,
    count: int,
    steps: int,
    seed: int,
    rows: int,
) -> Iterator[_Columns]:
    """Yield the rows of a batch of episodes, by episode and step, in one block.

    A single episode is given in blocks of at most `rows`.

    first  index of the first episode.
    count  number of episodes, at most that of the environment.
    steps  after which an episode is truncated.
    seed   of all episodes.
    """
    batch = _Batch(env, policy, first, count, seed)
    kept, held = list[_Columns](), 0
    for step in range(steps):
        columns = batch.step(step, is_last=step == steps - 1)
        kept.append(columns)
        held += len(columns["episode"])
        if count == 1 and held >= rows:
            yield _sorted(kept)
            kept, held = [], 0
        if not batch.active.any():
            break
    if kept:
        yield _sorted(kept)


def _sorted(blocks: Sequence[_Columns]) -> _Columns:
    """Return the rows of several steps by episode."""
    joined = {name: np.concatenate([one[name] for one in blocks]) for name in blocks[0]}
    order = np.argsort(joined["episode"], kind="stable")
    return {name: values[order] for name, values in joined.items()}


class _Batch:
    """The state of a batch of episodes: observation, info and which of them are not ended."""

    def __init__(
        self, env: VectorEnv[Any, Any, Any], policy: Acting, first: int, count: int, seed: int
    ) -> None:
        self.env, self.policy = env, policy
        self.episode = first + np.arange(env.num_envs)
        self.active = np.arange(env.num_envs) < count
        check_space(env.single_observation_space, "observation")
        check_space(env.single_action_space, "action")
        states = [
            np.random.SeedSequence([seed, one]).generate_state(2) for one in self.episode.tolist()
        ]
        self._seeds = [int(one[0]) for one in states]
        self._policy_seeds = [int(one[1]) for one in states]
        self._numbers: list[str] | None = None
        policy.begin(env.single_observation_space, env.single_action_space, env.num_envs)
        self._reset(np.ones(env.num_envs, bool), 0)

    def _reset(self, mask: NDArray[np.bool_], step: int) -> None:
        with self._report(step):
            seeds: Any = list(self._seeds)  # gymnasium takes one for each environment
            self.observation, self.info = self.env.reset(seed=seeds, options={"reset_mask": mask})
            index = np.flatnonzero(mask)
            self.policy.reset(index, [np.random.default_rng(self._policy_seeds[k]) for k in index])

    def step(self, step: int, *, is_last: bool) -> _Columns:
        """Take a step of all episodes and return the rows of those that had not ended."""
        env = self.env
        with self._report(step):
            actions = self._checked(self.policy.act(self.observation, self.info))
            before = observation_columns(env.single_observation_space, self.observation)
            before = {name: values.copy() for name, values in before.items()}
            self.observation, reward, terminated, truncated, self.info = env.step(actions)
        truncated = truncated | (is_last & ~terminated)
        columns = {
            "episode": self.episode,
            "step": np.full(env.num_envs, step),
            **before,
            **action_columns(env.single_action_space, actions),
            "reward": np.asarray(reward, np.float64),
            "terminated": terminated,
            "truncated": truncated,
        }
        columns |= self._info_columns(columns)
        rows = {name: values[self.active] for name, values in columns.items()}
        ended = np.asarray(terminated | truncated)
        self.active = self.active & ~ended
        if ended.any() and self.active.any():  # they are played again, without rows
            self._reset(ended, step)
        return rows

    def _info_columns(self, known: Mapping[str, Any]) -> _Columns:
        """Return the numbers of `info`, NaN where an episode has none."""
        if self._numbers is None:
            self._numbers = [name for name in self.info if self._is_number(name)]
        found = {}
        for name in self._numbers:
            value = np.full(self.env.num_envs, np.nan)
            if name in self.info and self._is_number(name, place=None):
                has = self.info.get(f"_{name}", np.ones(len(value), bool))
                value[has] = np.asarray(self.info[name], np.float64)[has]
            found[f"info_{name}" if name in known else name] = value
        return found

    def _is_number(self, name: str, place: int | None = 0) -> bool:
        """Return whether a field of `info` is a number, and that of the first episode is there."""
        values = self.info[name]
        is_array = isinstance(values, np.ndarray) and values.ndim == 1
        if name.startswith("_") or not is_array or values.dtype.kind not in "biuf":
            return False
        return place is None or bool(self.info.get(f"_{name}", [True] * (place + 1))[place])

    def _checked(self, actions: Any) -> Any:
        """Return actions in the type of the space; StudyError for one that lies outside."""
        space = self.env.action_space
        found = _cast(space, actions)
        if not space.contains(found):
            raise StudyError(
                f"policy '{getattr(self.policy, 'name', type(self.policy).__name__)}' gave "
                f"{shorten(str(actions))}, which is outside of the action space "
                f"{self.env.single_action_space} of each episode"
            )
        return found

    @contextmanager
    def _report(self, step: int) -> Iterator[None]:
        """Raise an error of the environment or the policy as StudyError that says where."""
        try:
            with parts.report_own_errors():
                yield
        except BunchtrainError:
            raise
        except Exception as problem:
            last = int(self.episode[-1])
            where = f"episodes {int(self.episode[0])} to {last}" if last else "episode 0"
            raise StudyError(
                f"the environment or policy failed at step {step} of {where}: "
                f"{type(problem).__name__}: {problem}"
            ) from problem


def _cast(space: Any, actions: Any) -> Any:
    """Return actions as arrays of the type of the space, where no value is changed by it."""
    if isinstance(actions, Mapping) and hasattr(space, "spaces"):
        return {
            key: _cast(one, actions[key]) for key, one in space.spaces.items() if key in actions
        }
    if isinstance(actions, tuple | list) and hasattr(space, "spaces"):
        return tuple(_cast(one, value) for one, value in zip(space.spaces, actions, strict=False))
    array = np.asarray(actions)
    if space.dtype is not None and np.can_cast(array.dtype, space.dtype, "same_kind"):
        return array.astype(space.dtype)
    return array
