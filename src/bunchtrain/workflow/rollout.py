"""Episodes of a policy in an environment as a table: a row for each step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain import parts
from bunchtrain.child_processes import begin_worker, spawn_context
from bunchtrain.environments._episodes import play
from bunchtrain.environments._making import build_environment, vector_env
from bunchtrain.errors import MachineError, StudyError
from bunchtrain.policies._policy import Policy
from bunchtrain.tables.arrays import Arrays
from bunchtrain.tables.sources.files import Files
from bunchtrain.tables.table import Table
from bunchtrain.tables.writing import write_parquet

#: Largest number of rows that are held at once.
ROWS = 100_000
#: Episodes that are played side by side.
BATCH = 64
_Columns = dict[str, NDArray[Any]]
#: What a process plays, set once in each.
_PLAN: list[_Plan] = []


@dataclass(frozen=True)
class _Plan:
    """What is played: an environment and a policy, by name and options or as objects."""

    environment: Any
    policy: Any
    table: Table | None
    steps: int | None
    seed: int
    batch: int

    def build(self) -> tuple[Any, Policy]:
        """Return environment and policy.

        Raises StudyError for an unknown name or option.
        """
        environment, policy = self.environment, self.policy
        if isinstance(environment, str | Mapping):
            environment = build_environment(*_part(environment, "environment"), self.table)
        if isinstance(policy, str | Mapping):
            with parts.report_own_errors():
                policy = parts.build("policy", *_part(policy, "policy"), where="policy")
        return environment, policy


def rollout(
    environment: Any,
    policy: Any,
    *,
    episodes: int = 1,
    steps: int | None = None,
    seed: int = 1,
    workers: int = 1,
    table: Table | None = None,
    output: Path | str | None = None,
    batch: int = BATCH,
) -> Table:
    """Return the steps of episodes: a row for each, by episode and step.

    The columns are `episode`, `step`, the fields of the observation that the policy had, `action`,
    the reward, `terminated`, `truncated`, and the numbers of `info` after the step, as far as the
    first step of the first episode has them (`info_<name>` where an observation has the name). An
    episode has its own seeds, so that the rows depend neither on the batch nor on the workers.

    Args:
        environment: name of a part, a mapping with `name` and options, a function that returns a
            new `gymnasium.Env`, or an `Environment`.
        policy: name of a part, a mapping with `name` and options, or a `Policy`.
        episodes: number of episodes.
        steps: largest number of steps of an episode; the limit of the environment if None.
        seed: of all random numbers.
        workers: number of processes.
        table: whose rows the environment plays.
        output: Parquet file for the rows, written in blocks; they are kept in memory if None.
        batch: episodes that are played side by side.

    Raises StudyError if environment and policy do not fit, an action is outside of its space, or
    the environment raises, and MissingDependency without gymnasium.
    """
    if episodes < 1 or batch < 1 or workers < 1 or (steps is not None and steps < 1):
        raise StudyError("rollout: 'episodes', 'steps', 'batch' and 'workers' must be at least 1")
    plan = _Plan(environment, policy, table, steps, seed, batch)
    blocks = _blocks(plan, episodes, workers)
    if output is None:
        read = list(blocks)
        return Arrays({name: np.concatenate([one[name] for one in read]) for name in read[0]})
    write_parquet(output, blocks)
    return Files(files=str(output))


def write_rollouts(
    output: Path,
    environment: Mapping[str, Any],
    policies: Mapping[str, Any],
    *,
    table: Table | None = None,
    workers: int = 1,
    episodes: int = 1,
    steps: int | None = None,
    seed: int = 1,
) -> int:
    """Write the same episodes with each of several policies, and return the number of rows.

    The column `policy` has their names; the other columns and arguments are those of `rollout`.
    """

    def blocks() -> Iterator[dict[str, Any]]:
        for name, policy in policies.items():
            plan = _Plan(environment, policy, table, steps, seed, BATCH)
            for block in _blocks(plan, episodes, workers):
                yield {"policy": ak.Array([name] * len(block["episode"])), **block}

    return write_parquet(output, blocks())


def _part(part: str | Mapping[str, Any], kind: str) -> tuple[str, dict[str, Any]]:
    """Return name and options of a part; StudyError if it has no name."""
    if isinstance(part, str):
        return part, {}
    if not isinstance(part.get("name"), str):
        raise StudyError(f"rollout: {kind} needs a 'name'")
    return part["name"], {key: value for key, value in part.items() if key != "name"}


def _blocks(plan: _Plan, episodes: int, workers: int) -> Iterator[_Columns]:
    """Yield the rows of all episodes in their order, in blocks of at most `ROWS` about."""
    environment, policy = plan.build()
    steps = plan.steps or step_limit(environment)
    size = max(1, min(episodes, plan.batch, ROWS // steps))
    pieces = [(first, min(size, episodes - first)) for first in range(0, episodes, size)]
    if workers == 1 or len(pieces) == 1:
        env = vector_env(environment, size)
        for first, count in pieces:
            yield from play(env, policy, first, count, steps, plan.seed, ROWS)
        env.close()
        return
    yield from _in_processes(replace(plan, steps=steps, batch=size), pieces, workers)


def step_limit(environment: Any) -> int:
    """Return the largest number of steps of an episode; StudyError if there is no limit."""
    limit = getattr(environment, "max_steps", None)
    if limit is None:
        made = vector_env(environment, 1)
        first = made.envs[0]  # type: ignore[attr-defined]
        limit = first.spec.max_episode_steps if first.spec is not None else None
        made.close()
    if limit is None:
        raise StudyError("rollout: the environment has no limit of steps; give 'steps'")
    return int(limit)


def _in_processes(plan: _Plan, pieces: list[tuple[int, int]], workers: int) -> Iterator[_Columns]:
    """Yield the rows of the pieces in their order, with few of them in memory."""
    pool = ProcessPoolExecutor(
        min(workers, len(pieces)), spawn_context(), _begin, (os.getpid(), plan)
    )
    try:
        waiting = [pool.submit(_play_piece, *piece) for piece in pieces[: 2 * workers]]
        for index in range(len(pieces)):
            yield from waiting.pop(0).result()
            if index + 2 * workers < len(pieces):
                waiting.append(pool.submit(_play_piece, *pieces[index + 2 * workers]))
    except BrokenProcessPool:
        raise MachineError(
            "rollout: a process was killed, perhaps for lack of memory; use fewer 'workers'"
        ) from None
    finally:
        pool.shutdown(cancel_futures=True)


def _begin(parent: int, plan: _Plan) -> None:
    begin_worker(parent)
    _PLAN[:] = [plan]


def _play_piece(first: int, count: int) -> list[_Columns]:
    plan = _PLAN[0]
    environment, policy = plan.build()
    env = vector_env(environment, count)
    return list(play(env, policy, first, count, plan.steps or 1, plan.seed, ROWS))
