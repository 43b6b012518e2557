"""Electromagnetic showers by the parametrisation of Grindhammer and Peters (hep-ex/0001020).

Longitudinal profiles are gamma densities with correlated fluctuations of their shape and maximum,
radial profiles a core and a tail, in homogeneous and in sampling calorimeters; see
`simulation.detectors.electromagnetic`. The energy of a layer is sampled with a stochastic term, and
divided into spots of equal energy. The visible energy is, unless `visible` sets it, the fraction
of the ionisation of minimum ionising particles in the layers with cells, times ê; in 28 layers of
tungsten and silicon this is 1.27 times that of Geant4. Photons are treated as electrons. Left out:
leakage through the front, magnetic fields, the depth at which photons convert, and muons.
"""

from __future__ import annotations

from bunchtrain.parts.ranges import Sampled, Share
from bunchtrain.simulation._layered_hits import ParametrisedHits, Sampling
from bunchtrain.simulation._sample import SampleOptions
from bunchtrain.simulation.detectors.beam import ELECTROMAGNETIC, BeamOptions
from bunchtrain.simulation.detectors.layers import (
    SILICON_TUNGSTEN,
    Length,
    Position,
    Sections,
)


class GrindhammerPeters(ParametrisedHits):
    """Hits of parametrised electromagnetic showers, with the columns of `geant4_calorimeter`.

    The rival of a trained generator: fast, but a classifier tells it from Geant4. Options and
    columns are those of `geant4_calorimeter`, so that a study changes the name of its source only.

    events    Number of events.
    layers    Sections of layers along z: {repeat: 28, of: [{material: G4_W, thickness: 2.8}, ...]};
              a layer with a `cell` is read out.
    width     Width of all layers in x and y in mm.
    apex      z of the point to which projective cells point, in mm.
    sampling  Stochastic term c of the sampling fluctuations in √GeV; 0 in homogeneous detectors.
    visible   Fraction of the energy that the layers with cells see; by the formula if unset.
    beam      Incident particles: e-, e+ and gamma.
    options   Seed, processes, part, folder.

    Raises StudyError for unknown materials, other particles, layers that overlap, vertices behind
    the front and angles above 1.3 rad.
    """

    name = "grindhammer_peters"
    maker = "detectors.parametrised:ElectromagneticShowers"

    def __init__(
        self,
        *,
        events: Sampled = 1000,
        layers: Sections = SILICON_TUNGSTEN,
        width: Length = 400.0,
        apex: Position = -1000.0,
        sampling: Sampling = 0.23,
        visible: Share | None = None,
        beam: BeamOptions = BeamOptions(),  # noqa: B008
        options: SampleOptions = SampleOptions(),  # noqa: B008
    ) -> None:
        beam.check(sorted(ELECTROMAGNETIC))
        recipe = {"sampling": sampling, "visible": visible}
        super().__init__(events, layers, width, apex, beam, options, **recipe)
