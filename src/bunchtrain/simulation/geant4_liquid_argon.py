"""Particles in a volume of liquid argon, transported by Geant4, with the particle of each voxel.

Geant4 11.4 with low-energy tables made from published formulas, see `geant4_calorimeter`. Left out:
recombination, drift, diffusion, wires and noise; the energy is that which is deposited.
"""

from __future__ import annotations

from typing import Annotated

import numpy as np
from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import NUMBER, Sampled
from bunchtrain.simulation._geant4 import Cut, Geant4Sample, Tesla
from bunchtrain.simulation._sample import SampleOptions
from bunchtrain.simulation.detectors.beam import BeamOptions
from bunchtrain.simulation.detectors.layers import Layer, Length, Section, Stack, plain
from bunchtrain.simulation.detectors.voxels import LAYOUT, UNITS, Voxels

#: Side of a voxel or largest step in mm.
Voxel = Annotated[float, Field(ge=0.1, le=1000), NUMBER]
#: Particles of the energy of a neutrino's interaction, which start in the volume.
INSIDE = BeamOptions(("e-", "mu-", "pi-", "proton"), (0.5,), z=(1000.0,), theta=(0.0, np.pi / 5))


class Geant4LiquidArgon(Geant4Sample):
    """Voxels of liquid argon with energy from Geant4, with the particle that deposited it.

    Columns: `particle_*` of the incident particles as in `geant4_calorimeter`; `voxel_*` of the
    cubes with energy: x, y, z of the middle, energy, time at which half of it has been deposited,
    particle, the index of the incident particle, and pdg, the number of the particle of the largest
    step in it, e.g. 11 for showers, Michel electrons and delta rays. `deposited` is the sum of all
    steps.

    events   Number of events.
    width    Of the volume in x and y in mm.
    length   Of the volume in z in mm; it begins at 0.
    voxel    Side of the cubes in mm.
    step     Largest step of a particle in mm.
    cut      Production threshold of secondary particles as a range in mm.
    field    Uniform magnetic field (x, y, z) in tesla.
    beam     Incident particles.
    options  Seed, processes, part, folder.

    Raises StudyError for unknown particles and vertices outside the volume, and MissingDependency
    if geant4-pybind or xraydb is not installed.
    """

    name = "geant4_liquid_argon"
    layout = LAYOUT

    def __init__(
        self,
        *,
        events: Sampled = 1000,
        width: Length = 2000.0,
        length: Length = 4000.0,
        voxel: Voxel = 3.0,
        step: Voxel = 3.0,
        cut: Cut = 0.7,
        field: tuple[Tesla, Tesla, Tesla] = (0.0, 0.0, 0.0),
        beam: BeamOptions = INSIDE,
        options: SampleOptions = SampleOptions(part=50),  # noqa: B008
    ) -> None:
        beam.check()
        layers = (Section((Layer("G4_lAr", length, cell=voxel),)),)
        Voxels(Stack(layers, width, 0.0), voxel)
        sides = max(abs(v) for v in (*beam.x, *beam.y))
        if sides > width / 2 or min(beam.z) < 0 or max(beam.z) > length:
            raise StudyError(
                f"{self.name}: vertices must lie in the volume, |x| and |y| up to {width / 2:g} mm "
                f"and z from 0 to {length:g} mm"
            )
        recipe = {"layers": plain(layers), "width": width, "apex": 0.0, "voxel": voxel}
        recipe |= {"step": step, "cut": cut, "field": list(field), "beam": beam.recipe()}
        super().__init__(events, options, **recipe, readout="voxels")

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        return dict(UNITS)
