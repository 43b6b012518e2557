"""Base of samples that child processes simulate, as this process never imports their library."""

from __future__ import annotations

from abc import abstractmethod
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar

from bunchtrain.errors import missing
from bunchtrain.simulation._children import Program, make_parts
from bunchtrain.simulation._sample import Sample


class ChildSample(Sample):
    """A sample made by one child process for each of `processes`."""

    #: Modules that the children import.
    modules: ClassVar[tuple[str, ...]]

    @abstractmethod
    def program(self) -> Program:
        """Return what the children run."""

    def prepare(self) -> None:
        """Produce the missing parts."""
        self._make({i: path for i, path in enumerate(self.parts()) if not path.exists()})

    def produce(self, index: int) -> None:
        """Produce one part."""
        self._make({index: self.parts()[index]})

    def check_maker(self) -> None:
        """Raise MissingDependency if a library of the children is not installed."""
        for module in self.modules:
            if find_spec(module) is None:
                raise missing(module, self.extra, f"source '{self.name}'")

    def _make(self, paths: dict[int, Path]) -> None:
        if paths:
            self.check_maker()
            absolute = {index: path.absolute() for index, path in paths.items()}
            make_parts(self.program(), self.recipe, absolute, self.processes)
