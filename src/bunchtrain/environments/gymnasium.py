"""Any environment that is registered with gymnasium, by its id."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from bunchtrain.errors import MissingDependency, StudyError, nearest

if TYPE_CHECKING:
    from gymnasium import Env


class Gymnasium:
    """An environment that is registered with gymnasium, as `CartPole-v1` (arXiv:2407.17032).

    id       of the environment, `module:id` to import a module that registers it.
    options  keyword arguments of the environment.
    """

    def __init__(self, *, id: str, options: dict[str, Any] | None = None) -> None:
        self.id, self.options = id, dict(options or {})

    def make(self) -> Env[Any, Any]:
        """Return a new environment of this id.

        Raises StudyError for an unknown id, naming the nearest, or an option that it lacks, and
        MissingDependency for a library that it needs.
        """
        import gymnasium
        from gymnasium import error

        try:
            return gymnasium.make(self.id, **self.options)
        except error.DependencyNotInstalled as problem:
            raise MissingDependency(f"environment '{self.id}': {problem}") from None
        except (error.UnregisteredEnv, error.DeprecatedEnv, ModuleNotFoundError) as problem:
            if isinstance(problem, ModuleNotFoundError) and ":" not in self.id:
                raise MissingDependency(
                    f"environment '{self.id}' needs {problem.name}: pip install {problem.name}"
                ) from None
            hint = nearest(self.id, gymnasium.registry) or "; see gymnasium.pprint_registry()"
            raise StudyError(
                f"gymnasium has no environment with the id '{self.id}'{hint}"
            ) from None
        except (TypeError, error.Error) as problem:
            raise StudyError(f"environment '{self.id}': {problem}") from None
