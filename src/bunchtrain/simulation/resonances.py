"""Resonances X → tt̄ of several masses against tt̄ without one, made with Pythia.

Proton collisions at 14 TeV. X is a Z′ with the couplings of the Z that decays to top quarks; tt̄
comes from gluons and quarks. One W decays to e or μ, the other to quarks, as in the example of
parameterised networks (arXiv:1601.07913). Showers are on, hadrons off: the four quarks
stand for the jets, smeared with σ/pT = 0.8/√pT ⊕ 0.05, the lepton with 1 %, missing pT with 12 GeV
an axis. Kept are events with pT > 25 GeV of the lepton, pT > 20 GeV of all quarks, and |η| < 2.5 of
all. There is no combinatorial background from further jets, and b tags are those of the truth, so
that separation is better than in an experiment.
"""

from __future__ import annotations

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Momentum, Sampled
from bunchtrain.simulation._sample import Sample, SampleOptions
from bunchtrain.simulation.pythia.layout import RESONANCES

DEFAULTS = SampleOptions(part=2000)


class Resonances(Sample):
    """Resonances to tt̄ of several masses, and tt̄, one lepton: smeared quarks, lepton, missing pT.

    They come in turn, event 0 signal, event 1 background; `is_signal` is the label and `mass`
    is that of the resonance in GeV, 0 for background. Each part holds one mass.

    events   Number of events, half of them signal.
    masses   Masses of the resonance in GeV; the parts have them in turn.
    options  Seed, processes, part (an even number), folder.

    Raises StudyError if an option is out of range, and MissingDependency if the events do not exist
    yet and pythia8mc is not installed.
    """

    name = "resonances"
    layout = RESONANCES
    maker = "pythia.resonance:Resonances"

    def __init__(
        self,
        *,
        events: Sampled = 20_000,
        masses: tuple[Momentum, ...] = (500.0, 750.0, 1000.0, 1250.0, 1500.0),
        options: SampleOptions = DEFAULTS,
    ) -> None:
        chosen = tuple(float(mass) for mass in masses)
        super().__init__(events, options, masses=chosen)
        if options.part % 2:
            raise StudyError(f"resonances: part must be even, got {options.part}")
        if not chosen or min(chosen) < 400:
            raise StudyError("resonances: masses must be at least 400 GeV, to decay to tt̄")
