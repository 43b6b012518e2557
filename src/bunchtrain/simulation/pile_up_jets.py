"""QCD events with pile-up: particles as they are measured, with the true jet of each.

Proton collisions at 14 TeV. Hard QCD collisions, favoured by (p̂T)^4.5 so that log pT of their jets
is nearly flat, and a Poisson number of soft, non-diffractive ones, both with multiple parton
interactions. Soft collisions are drawn from those that the events of one file share.

True jets are anti-kT jets of all visible particles of the hard collision, neutrinos left out, with
|η| < 3. Each particle of all collisions with |η| < 3 is measured on its own: a charged particle
becomes a track by the efficiency and resolution of `boosted_jets`; a photon, an electron without a
track or a hadron without a track has the resolution of the electromagnetic or the hadronic
calorimeter. No two particles share a cell, the field bends no track, and the vertex of each track
is known: no event has the confusion of a real particle flow.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import NUMBER, Momentum, Radius, Sampled
from bunchtrain.simulation._sample import Sample, SampleOptions
from bunchtrain.simulation.pythia.layout import PILE_UP_JETS

Collisions = Annotated[float, Field(ge=0, le=400), NUMBER]
PoolSize = Annotated[int, Field(ge=1, le=1_000_000), NUMBER]


@dataclass(frozen=True)
class PileUpOptions(SampleOptions):
    """Options of collisions and measurement.

    pt_min       smallest pT of true jets, and of p̂T, in GeV.
    pt_max       largest p̂T in GeV.
    radius       radius R of the true jets.
    particle_pt  smallest measured pT of a particle in GeV.
    pool         soft collisions that the events of one file share.
    """

    pt_min: Momentum = 20.0
    pt_max: Momentum = 400.0
    radius: Radius = 0.4
    particle_pt: Momentum = 0.5
    pool: PoolSize = 1000
    part: Sampled = 200


class PileUpJets(Sample):
    """Measured particles of QCD events with pile-up, and the true jet of each.

    Columns: `pile_up`, the number of soft collisions; `weight` of the hard one; `jet_*` of the true
    jets, ordered in pT: pt, eta, phi, mass and `visible_pt`, the sum of the measured pT of their
    particles; `particle_*` of the measured particles, ordered in pT: px, py, pz, energy, charge,
    kind (0 neutral hadron, 1 charged hadron, 2 photon, 3 electron, 4 muon), vertex (1 of the hard
    collision, −1 of another one, 0 without a track), and the truth: hard, whether it comes from the
    hard collision, and jet, the index of its true jet, −1 for none.

    events   Number of events.
    pile_up  Mean number of soft collisions in an event.
    options  Window in pT, radius, pool; seed, processes, part, folder.

    Raises StudyError if an option is out of range, and MissingDependency if the events do not exist
    yet and pythia8mc or fastjet is not installed.
    """

    name = "pile_up_jets"
    layout = PILE_UP_JETS
    maker = "pythia.pile_up:PileUpJets"

    def __init__(
        self,
        *,
        events: Sampled = 1000,
        pile_up: Collisions = 20.0,
        options: PileUpOptions = PileUpOptions(),
    ) -> None:
        super().__init__(events, options, pile_up=float(pile_up))
        self.check_window(least=10.0)
        if not 0.1 <= options.radius <= 1.5:
            raise StudyError(
                f"{self.name}: radius must lie between 0.1 and 1.5, got {options.radius}"
            )
