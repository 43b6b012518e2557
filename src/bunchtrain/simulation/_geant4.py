"""Base of samples that Geant4 simulates in child processes."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from bunchtrain.errors import missing
from bunchtrain.parts.ranges import NUMBER
from bunchtrain.simulation._sample import Sample
from bunchtrain.simulation.geant4.low_energy_tables import (
    STATEMENT,
    data_environment,
    tables_folder,
)
from bunchtrain.simulation.geant4.workers import make_parts

#: Production threshold as a range in mm.
Cut = Annotated[float, Field(ge=1e-3, le=1000), NUMBER]
#: Component of a magnetic field in tesla.
Tesla = Annotated[float, Field(ge=-20, le=20), NUMBER]


class Geant4Sample(Sample):
    """A sample made by Geant4, which this process never imports.

    The low-energy tables are written once into the cache.
    """

    libraries: ClassVar[tuple[str, ...]] = ("geant4-pybind", "xraydb")
    extra: ClassVar[str] = "geant4"

    @property
    def note(self) -> str:
        """What the showers were made with."""
        return STATEMENT

    def prepare(self) -> None:
        """Produce the missing parts, in one child process for each of `processes`."""
        self._make({i: path for i, path in enumerate(self.parts()) if not path.exists()})

    def produce(self, index: int) -> None:
        """Produce one part."""
        self._make({index: self.parts()[index]})

    def check_maker(self) -> None:
        """Raise MissingDependency if Geant4 or xraydb is not installed."""
        for module in ("geant4_pybind", "xraydb"):
            if find_spec(module) is None:
                raise missing(module, self.extra, f"source '{self.name}'")

    def _make(self, paths: dict[int, Path]) -> None:
        if paths:
            self.check_maker()
            tables = tables_folder(self.base.parent).resolve()
            absolute = {index: path.absolute() for index, path in paths.items()}
            make_parts(self.recipe, absolute, self.processes, data_environment(tables))
