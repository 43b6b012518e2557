"""Environments by name and options, or given as objects, as batches of independent episodes."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import TYPE_CHECKING, Any

from bunchtrain import parts
from bunchtrain.environments._environment import Environment
from bunchtrain.errors import StudyError, missing
from bunchtrain.tables.table import Table

if TYPE_CHECKING:
    from gymnasium import Env
    from gymnasium.vector import VectorEnv


def require_gymnasium() -> None:
    """Raise MissingDependency, with the command that installs it, if gymnasium is missing."""
    try:
        import gymnasium
    except ModuleNotFoundError:
        raise missing("gymnasium", "environments", "an environment") from None
    del gymnasium


def build_environment(
    name: str, options: Mapping[str, Any], table: Table | None = None, where: str = "environment"
) -> Any:
    """Return an environment by the name of its part, made of a table if it needs one.

    Raises StudyError for an unknown name or option, or a table that is missing or not used.
    """
    require_gymnasium()
    with parts.report_own_errors():
        needs_table = "table" in parts.positional(parts.find("environment", name))
        if needs_table and table is None:
            raise StudyError(f"{where}: '{name}' plays the rows of a table; give one as 'table'")
        if table is not None and not needs_table:
            raise StudyError(f"{where}: '{name}' reads no table; remove 'table'")
        given = (table,) if needs_table else ()
        make = partial(parts.build, "environment", name, options, *given, where=where)
        return _Repeated(make) if _is_single(name) else make()


class _Repeated:
    """A class of the user's, derived from `gymnasium.Env`, of which each episode has an object."""

    def __init__(self, make: Callable[[], Env[Any, Any]]) -> None:
        self.make = make


def _is_single(name: str) -> bool:
    from gymnasium import Env

    return issubclass(parts.find("environment", name), Env)


def vector_env(environment: Any, count: int) -> VectorEnv[Any, Any, Any]:
    """Return an environment for a batch of episodes, which the caller resets when they have ended.

    environment  an `Environment`, a part with the method `make`, or a function that returns a new
                 `gymnasium.Env`.
    count        number of episodes of the batch.
    """
    from gymnasium.vector import AutoresetMode, SyncVectorEnv

    from bunchtrain.environments._batch import BatchEnv

    if isinstance(environment, Environment):
        return BatchEnv(environment, count)
    make = environment.make if hasattr(environment, "make") else environment
    return SyncVectorEnv([make] * count, autoreset_mode=AutoresetMode.DISABLED)


def single_env(environment: Any) -> Env[Any, Any]:
    """Return an environment of one episode at a time, for learning libraries."""
    from bunchtrain.environments._batch import SingleEnv

    if isinstance(environment, Environment):
        return SingleEnv(environment)
    found: Env[Any, Any] = environment.make() if hasattr(environment, "make") else environment
    return found
