"""Values of gymnasium's spaces as columns of a table, named by their fields."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import StudyError

if TYPE_CHECKING:
    from gymnasium import Space

#: Numbers of a vector that become columns of their own; more are one column of lists.
_COLUMNS = 64
#: Columns of every rollout; a field of an observation with such a name has a prefix.
RESERVED = ("episode", "step", "reward", "terminated", "truncated")


def observation_columns(space: Space[Any], values: Any) -> dict[str, NDArray[Any]]:
    """Return the columns of a batch of observations: fields of a mapping have their own names."""
    if not isinstance(values, Mapping):
        return dict(_columns(space, values, "observation"))
    found = dict[str, NDArray[Any]]()
    for key, one in _subspaces(space):
        is_taken = key in RESERVED or key.startswith("action")
        name = f"observation_{key}" if is_taken else str(key)
        found |= dict(_columns(one, values[key], name))
    return found


def action_columns(space: Space[Any], values: Any) -> dict[str, NDArray[Any]]:
    """Return the columns of a batch of actions: `action`, `action_0`, `action_<field>`."""
    return dict(_columns(space, values, "action"))


def check_space(space: Space[Any], what: str) -> None:
    """Raise StudyError if values of a space cannot be columns: graphs, texts, sequences."""
    from gymnasium import spaces

    if isinstance(space, spaces.Dict | spaces.Tuple):
        for _, one in _subspaces(space):
            check_space(one, what)
        return
    allowed = (spaces.Box, spaces.Discrete, spaces.MultiDiscrete, spaces.MultiBinary)
    if not isinstance(space, allowed):
        raise StudyError(
            f"the {what} of the environment is a space '{type(space).__name__}', which a table "
            "cannot have; use Box, Discrete, MultiDiscrete, MultiBinary, Dict or Tuple"
        )


def _subspaces(space: Any) -> list[tuple[Any, Any]]:
    inner = space.spaces
    return list(inner.items()) if isinstance(inner, Mapping) else list(enumerate(inner))


def _columns(space: Any, values: Any, name: str) -> Iterator[tuple[str, NDArray[Any]]]:
    """Yield name → values (episodes,) or (episodes, ...) of a batch of values of a space."""
    if hasattr(space, "spaces"):
        for key, one in _subspaces(space):
            yield from _columns(one, values[key], f"{name}_{key}")
        return
    array = np.asarray(values)
    size = int(np.prod(array.shape[1:]))
    if size == 1:
        yield name, array.reshape(len(array))
    elif array.ndim == 2 and size <= _COLUMNS:
        yield from ((f"{name}_{k}", array[:, k]) for k in range(size))
    else:
        yield name, array
