"""Base of samples of hits in the cells of layers, which travel with the events."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

import numpy as np
from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import NUMBER
from bunchtrain.simulation._sample import Sample, SampleOptions
from bunchtrain.simulation.detectors.beam import BeamOptions
from bunchtrain.simulation.detectors.cells import Cells
from bunchtrain.simulation.detectors.electromagnetic import mean_medium
from bunchtrain.simulation.detectors.hits import LAYOUT, UNITS
from bunchtrain.simulation.detectors.layers import Section, Stack, plain
from bunchtrain.tables.table import Table

#: Stochastic term of the sampling fluctuations in √GeV.
Sampling = Annotated[float, Field(ge=0, le=2), NUMBER]
#: Largest angle to the axis in rad.
_STEEPEST = 1.3


class LayeredHits(Sample):
    """A sample with the columns of `geant4_calorimeter`.

    layers  Sections of layers along z.
    width   Width of all layers in x and y in mm.
    apex    z of the point to which projective cells point, in mm.
    recipe  Further values that decide the events.

    Raises StudyError for unknown materials, layers that overlap, and too many cells.
    """

    layout = LAYOUT

    def __init__(
        self,
        events: int,
        layers: tuple[Section, ...],
        width: float,
        apex: float,
        beam: BeamOptions,
        options: SampleOptions,
        **recipe: Any,
    ) -> None:
        self.stack = Stack(layers, width, apex)
        Cells(self.stack)
        geometry = {"layers": plain(layers), "width": width, "apex": apex}
        super().__init__(events, options, **geometry, **recipe, beam=beam.recipe())

    @property
    def conditions(self) -> Mapping[str, Table]:
        """The layers with cells."""
        return {"geometry": self.stack.table()}

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        return dict(UNITS)


class ParametrisedHits(LayeredHits):
    """Hits of parametrised showers.

    Raises StudyError as well for layers without a mean medium and beams out of range.
    """

    libraries: ClassVar[tuple[str, ...]] = ()

    def __init__(
        self,
        events: int,
        layers: tuple[Section, ...],
        width: float,
        apex: float,
        beam: BeamOptions,
        options: SampleOptions,
        **recipe: Any,
    ) -> None:
        super().__init__(events, layers, width, apex, beam, options, **recipe)
        mean_medium(self.stack)
        self._check_beam(beam)

    def _check_beam(self, beam: BeamOptions) -> None:
        """Raise StudyError for vertices behind the front and angles above 1.3 rad."""
        if beam.z[-1] > self.stack.front:
            raise StudyError(f"z: showers begin at the front, {self.stack.front:g} mm, or before")
        if np.max(beam.theta) > _STEEPEST:
            raise StudyError(f"theta: must be at most {_STEEPEST} rad, got {beam.theta[-1]:g}")
