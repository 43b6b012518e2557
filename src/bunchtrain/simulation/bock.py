"""Hadronic showers by Bock's parametrisation (numbers of hep-ex/9903019), in any layers.

After the first interaction, whose place is drawn, all showers of an energy have the mean profile of
an electromagnetic and a hadronic part; see `simulation.detectors.hadronic`. Spots of the first have
the radii of Grindhammer and Peters, those of the second lie at r with the density
r e^(−r/R)/R². The energy of a layer is sampled with a stochastic term. The visible energy is,
unless `visible` sets it, that of an electromagnetic shower, so that e/π is 1. Left out: the track
before the first interaction, fluctuations of the electromagnetic fraction, energy below 1 GeV,
which has the profile of 1 GeV, leakage through the front, and slow neutrons. hep-ex/9912028 finds
Bock's numbers wrong in a combined calorimeter.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bunchtrain.parts.ranges import NUMBER, Sampled, Share
from bunchtrain.simulation._layered_hits import ParametrisedHits, Sampling
from bunchtrain.simulation._sample import SampleOptions
from bunchtrain.simulation.detectors.beam import BeamOptions
from bunchtrain.simulation.detectors.layers import Layer, Length, Position, Section, Sections

#: Hadrons that are stable enough to interact.
HADRONS = (
    *("pi+", "pi-", "kaon+", "kaon-", "kaon0L"),
    *("proton", "anti_proton", "neutron", "anti_neutron"),
)
#: 48 layers of iron and scintillator, 4.9 interaction lengths.
IRON_SCINTILLATOR = (
    Section((Layer("G4_Fe", 17.0), Layer("G4_PLASTIC_SC_VINYLTOLUENE", 5.0, cell=30.0)), repeat=48),
)
PIONS = BeamOptions(("pi-",), (20.0,))
#: Radius in interaction lengths.
Width = Annotated[float, Field(gt=0, le=2), NUMBER]


class Bock(ParametrisedHits):
    """Hits of parametrised hadronic showers, with the columns of `geant4_calorimeter`.

    events    Number of events.
    layers    Sections of layers along z: {repeat: 48, of: [{material: G4_Fe, thickness: 17}, ...]};
              a layer with a `cell` is read out.
    width     Width of all layers in x and y in mm.
    apex      z of the point to which projective cells point, in mm.
    sampling  Stochastic term c of the sampling fluctuations in √GeV.
    visible   Fraction of the energy that the layers with cells see; by the formula if unset.
    radius    R of the hadronic part in interaction lengths; 0.3 gives the mean radius of pions of
              20 GeV from Geant4 in iron and scintillator.
    beam      Incident hadrons.
    options   Seed, processes, part, folder.

    Raises StudyError for unknown materials, other particles, layers that overlap, vertices behind
    the front and angles above 1.3 rad.
    """

    name = "bock"
    maker = "detectors.hadronic:HadronicShowers"

    def __init__(
        self,
        *,
        events: Sampled = 1000,
        layers: Sections = IRON_SCINTILLATOR,
        width: Length = 1000.0,
        apex: Position = -1000.0,
        sampling: Sampling = 0.5,
        visible: Share | None = None,
        radius: Width = 0.3,
        beam: BeamOptions = PIONS,
        options: SampleOptions = SampleOptions(),  # noqa: B008
    ) -> None:
        beam.check(HADRONS)
        recipe = {"sampling": sampling, "visible": visible, "radius": radius}
        super().__init__(events, layers, width, apex, beam, options, **recipe)
