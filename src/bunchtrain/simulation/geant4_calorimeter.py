"""Showers in a calorimeter of any layers and cells, transported by Geant4, with truth.

Geant4 11.4 with low-energy tables made from published formulas, as its own data sets are not
distributed with its package: bremsstrahlung below 1 GeV, the photoelectric effect and neutrons
below 20 MeV (see `simulation.geant4.low_energy_tables`). Physics: electromagnetic processes
(option 2) and decays; with hadrons or muons also FTFP_BERT, elastic scattering and capture at rest.
There are no data for nuclear levels, isomers and photonuclear reactions, and slow neutrons are
crude, which affects the times and late energy of hadronic showers.

Each incident particle is transported on its own, so that the particle of each deposit is known,
also where showers overlap. Left out: noise, saturation of photosensors, digitisation.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from bunchtrain.parts.ranges import Sampled
from bunchtrain.simulation._geant4 import Cut, Geant4Sample, Tesla
from bunchtrain.simulation._layered_hits import LayeredHits
from bunchtrain.simulation._sample import SampleOptions
from bunchtrain.simulation.detectors.beam import BeamOptions
from bunchtrain.simulation.detectors.layers import (
    SILICON_TUNGSTEN,
    Length,
    Position,
    Sections,
    Stack,
)
from bunchtrain.simulation.detectors.quenching import Birks, read_constants


class Geant4Calorimeter(Geant4Sample, LayeredHits):
    """Hits of electromagnetic and hadronic showers from Geant4, with the particle of each deposit.

    Columns: `particle_*` of the incident particles: pdg, kinetic energy, vertex x, y, z, direction
    theta, phi, and visible energy. `hit_*` of the cells with energy, in the order of their numbers:
    layer, cell, position x, y, z of its middle, energy, time at which half of it has been
    deposited, and particle, the index of the incident particle with most of it.
    `hit_deposit_particle` and `hit_deposit_energy` list the energy of each particle in a cell.
    `deposited` is the sum of all steps in the layers with cells; with `birks` hits have the part
    of it that is seen as light, dE/(1 + kB dE/dx) of each step. The layers travel with the events
    as the conditions `geometry`, by `layer`: z, thickness, material, shape, cell, and
    radiation_lengths and interaction_lengths in front of their middle.

    events   Number of events.
    layers   Sections of layers along z: {repeat: 28, of: [{material: G4_W, thickness: 2.8}, ...]};
             a layer with a `cell` is read out.
    width    Width of all layers in x and y in mm.
    apex     z of the point to which projective cells point, in mm.
    cut      Production threshold of secondary particles as a range in mm.
    field    Uniform magnetic field (x, y, z) in tesla.
    birks    Birks' constant kB in mm/MeV of materials of scintillators: {G4_POLYSTYRENE: 0.126}.
    beam     Incident particles.
    options  Seed, processes, part, folder.

    Raises StudyError for unknown materials or particles and layers that overlap, and
    MissingDependency if geant4-pybind or xraydb is not installed.
    """

    name = "geant4_calorimeter"

    def __init__(
        self,
        *,
        events: Sampled = 1000,
        layers: Sections = SILICON_TUNGSTEN,
        width: Length = 400.0,
        apex: Position = -1000.0,
        cut: Cut = 0.1,
        field: tuple[Tesla, Tesla, Tesla] = (0.0, 0.0, 0.0),
        birks: Mapping[str, Birks] | None = None,
        beam: BeamOptions = BeamOptions(),  # noqa: B008
        options: SampleOptions = SampleOptions(part=50),  # noqa: B008
    ) -> None:
        beam.check()
        recipe: dict[str, Any] = {"cut": cut, "field": list(field), "readout": "cells"}
        if quenched := read_constants(birks or {}, Stack(layers, width, apex)):
            recipe["birks"] = quenched
        super().__init__(events, layers, width, apex, beam, options, **recipe)
