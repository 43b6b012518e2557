"""Base of samples that Geant4 simulates in child processes."""

from __future__ import annotations

from typing import Annotated, ClassVar

from pydantic import Field

from bunchtrain.parts.ranges import NUMBER
from bunchtrain.simulation._child_sample import ChildSample
from bunchtrain.simulation._children import Program
from bunchtrain.simulation.geant4.low_energy_tables import (
    STATEMENT,
    data_environment,
    tables_folder,
)

#: Production threshold as a range in mm.
Cut = Annotated[float, Field(ge=1e-3, le=1000), NUMBER]
#: Component of a magnetic field in tesla.
Tesla = Annotated[float, Field(ge=-20, le=20), NUMBER]


class Geant4Sample(ChildSample):
    """A sample made by Geant4.

    The low-energy tables are written once into the cache.
    """

    libraries: ClassVar[tuple[str, ...]] = ("geant4-pybind", "xraydb")
    modules: ClassVar[tuple[str, ...]] = ("geant4_pybind", "xraydb")
    extra: ClassVar[str] = "geant4"

    @property
    def note(self) -> str:
        """What the showers were made with."""
        return STATEMENT

    def program(self) -> Program:
        """Write the tables unless they exist, and return what the children run."""
        tables = tables_folder(self.base.parent).resolve()
        return Program("bunchtrain.simulation.geant4.child", "Geant4", data_environment(tables))
