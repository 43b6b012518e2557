"""tt̄H with H → bb̄ against tt̄ with bb̄ from gluons, whole events, made with Pythia.

Proton collisions at 14 TeV without multiple interactions and pile-up. Signal: gg, qq̄ → tt̄H with H
→ bb̄; background: tt̄ whose showers split a gluon to bb̄, kept if at least four b quarks are there
before hadronisation, three of them with pT > 15 GeV and |η| < 2.5 (the task of arXiv:1906.11265).
One W decays to e or μ, the other to quarks. After the parametric detector an event has exactly one
isolated lepton with pT > 25 GeV, at least 4 anti-kT jets with R = 0.4, pT > 25 GeV and |η| < 2.5,
and 3 of them b-tagged.

Tags are drawn by flavour and pT with the 70 % point of the ATLAS card of Delphes. The shower gives
the background, without matrix elements of tt̄bb̄: no rate should be taken from this sample. Of 250
collisions 61 of the signal and 23 of those kept of the background were selected. τ leptons of W
decays, other Higgs decays and light-jet fakes are left out.
"""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import PointCount, Sampled
from bunchtrain.simulation._sample import Sample, SampleOptions
from bunchtrain.simulation.pythia.layout import TTH_EVENTS

DEFAULTS = SampleOptions(part=200)


class TthEvents(Sample):
    """tt̄H(bb̄) and tt̄bb̄ events with one lepton: jets with tags, lepton, energy-flow objects.

    They come in turn, event 0 signal, event 1 background; `is_tth` is the label. The groups of
    columns are `jet` (pt, eta, phi, mass, tag, flavour) and `particle` (px, py, pz, energy, charge,
    kind: 0 neutral hadron, 1 charged hadron, 2 photon, 3 electron, 4 muon), both ordered in pT.

    events     Number of events, half of them signal.
    jets       Smallest number of jets.
    tags       Smallest number of b-tagged jets.
    particles  Largest number of energy-flow objects kept, the hardest above 0.5 GeV.
    options    Seed, processes, part (a multiple of 4), folder.

    Raises StudyError if an option is out of range, and MissingDependency if the events do not exist
    yet and pythia8mc or fastjet is not installed.
    """

    name = "tth_events"
    layout = TTH_EVENTS
    maker = "pythia.top_higgs:TopHiggs"

    def __init__(
        self,
        *,
        events: Sampled = 4000,
        jets: Annotated[int, Field(ge=1, le=8)] = 4,
        tags: Annotated[int, Field(ge=0, le=8)] = 3,
        particles: PointCount = 500,
        options: SampleOptions = DEFAULTS,
    ) -> None:
        super().__init__(events, options, jets=jets, tags=tags, particles=particles)
        if options.part % 4:
            raise StudyError(f"tth_events: part must be a multiple of 4, got {options.part}")
        if not 0 <= tags <= jets <= 8 or particles < 1:
            raise StudyError(
                "tth_events: tags must not exceed jets, nor jets 8, and particles must be at "
                f"least 1; got {tags}, {jets} and {particles}"
            )
