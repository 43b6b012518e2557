"""Hits in thin silicon layers with pixels, transported by Geant4, with the particle of each.

Geant4 11.4 with low-energy tables made from published formulas, see `geant4_calorimeter`. The
charge of each short step is divided into points that diffuse by a Gaussian; pixels below a
threshold are left out. Not simulated: the depth in the diffusion, noise, the Lorentz angle and
electronics.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bunchtrain.parts.ranges import NUMBER, Sampled
from bunchtrain.simulation._geant4 import Cut, Geant4Sample, Tesla
from bunchtrain.simulation._layered_hits import LayeredHits
from bunchtrain.simulation._sample import SampleOptions
from bunchtrain.simulation.detectors.beam import BeamOptions
from bunchtrain.simulation.detectors.layers import (
    Layer,
    Length,
    Position,
    Section,
    Sections,
)

#: One layer of 75 µm with pixels of 50 µm.
SENSOR = (Section((Layer("G4_Si", 0.075, cell=0.05),)),)
#: Particles that cross the sensor.
THROUGH = BeamOptions(("mu-",), (1.0,), z=(-5.0,))
#: Largest step in mm.
Step = Annotated[float, Field(ge=1e-4, le=10), NUMBER]
#: Width of the diffusion in mm.
Diffusion = Annotated[float, Field(ge=0, le=10), NUMBER]
#: Pairs of electrons and holes.
Pairs = Annotated[float, Field(ge=0, le=1e9), NUMBER]


class Geant4Silicon(Geant4Sample, LayeredHits):
    """Hits in silicon pixels from Geant4, with the columns of `geant4_calorimeter`.

    events     Number of events.
    layers     Sections of layers along z: {of: [{material: G4_Si, thickness: 0.075, cell: 0.05}]};
               a layer with a `cell` is read out.
    width      Width of all layers in x and y in mm.
    apex       z of the point to which projective cells point, in mm.
    step       Largest step of a particle in a layer that is read out, in mm.
    diffusion  Standard deviation of the charge in x and y in mm.
    threshold  Smallest charge of a pixel in pairs, 3.62 eV each.
    cut        Production threshold of secondary particles as a range in mm.
    field      Uniform magnetic field (x, y, z) in tesla.
    beam       Incident particles.
    options    Seed, processes, part, folder.

    Raises StudyError for unknown materials or particles and layers that overlap, and
    MissingDependency if geant4-pybind or xraydb is not installed.
    """

    name = "geant4_silicon"

    def __init__(
        self,
        *,
        events: Sampled = 1000,
        layers: Sections = SENSOR,
        width: Length = 20.0,
        apex: Position = -1000.0,
        step: Step = 0.005,
        diffusion: Diffusion = 0.005,
        threshold: Pairs = 500.0,
        cut: Cut = 0.005,
        field: tuple[Tesla, Tesla, Tesla] = (0.0, 0.0, 0.0),
        beam: BeamOptions = THROUGH,
        options: SampleOptions = SampleOptions(part=200),  # noqa: B008
    ) -> None:
        beam.check()
        recipe = {"cut": cut, "step": step, "field": list(field), "readout": "pixels"}
        recipe |= {"diffusion": diffusion, "threshold": threshold}
        super().__init__(events, layers, width, apex, beam, options, **recipe)
