"""Boosted top and QCD jets, made with Pythia and FastJet as the top-tagging reference defines them.

Proton collisions at 14 TeV without multiple interactions and pile-up; hadronic top pairs and QCD
dijets; the leading anti-kT jet of each event with R = 0.8, 550 < pT < 650 GeV and |η| < 2; a top
and its three quarks within 0.8 of the axis of signal jets; the 200 hardest energy-flow objects
(arXiv:1902.09914, section 2). The detector response is parametric, after the ATLAS card of Delphes.
The jets are stand-ins for the published sample (doi:10.5281/zenodo.2603256), not that sample.

The window in p̂T, 0.6 pt_min < p̂T < 1.6 pt_max, loses jets: of those with 550 < pT < 650 GeV
(13 ± 2) % of the tops and (2.7 ± 0.3) % of the QCD jets come from 150 < p̂T < 330 GeV, where a hard
gluon from the initial state gives the boost. These tops look like the others (median mass 175
against 173 GeV, 63 against 61 constituents); these QCD jets are heavier (91 against 74 GeV). The
upper end loses nothing that counts.
"""

from __future__ import annotations

from bunchtrain.parts.ranges import Sampled
from bunchtrain.simulation._sample import JetOptions, Sample
from bunchtrain.simulation.pythia.layout import BOOSTED_JETS

DEFAULTS = JetOptions()


class BoostedJets(Sample):
    """Boosted top and QCD jets from Pythia and FastJet with a parametric detector.

    They come in turn, event 0 a top, event 1 a QCD jet. The jets depend on the seed and on their
    index in the sample alone: a larger sample begins with the jets of a smaller one, and any
    number of processes produces the same jets.

    jets      Number of jets, half of them tops.
    detector  Whether constituents are energy-flow objects of a detector, else the visible particles
              that leave the collision.
    options   Window in pT, radius (also of the match to the top and its quarks), constituents;
              seed, processes, part (an even number), folder.

    Raises StudyError if an option is out of range, and MissingDependency if the jets do not exist
    yet and pythia8mc or fastjet is not installed.
    """

    name = "boosted_jets"
    layout = BOOSTED_JETS
    maker = "pythia.leading_jets:TopJets"

    def __init__(
        self, *, jets: Sampled = 10_000, detector: bool = True, options: JetOptions = DEFAULTS
    ) -> None:
        super().__init__(jets, options, detector=detector)
        self.check_window()
        self.check_jets(classes=2)
