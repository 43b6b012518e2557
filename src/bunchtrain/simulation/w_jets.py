"""Hadronic W bosons against QCD jets, made with Pythia and FastJet, for W tagging.

Proton collisions at 14 TeV without multiple interactions and pile-up. The W bosons come from W′ →
WZ with Z → νν, as in the study of jet images (arXiv:1511.05190), decaying as those of a heavy Higgs
boson do: they are longitudinal, and their jet is the leading one. The mass of the W′ is spread
about pt_min + pt_max by a forced width of pt_max, so that the W fills the window; QCD jets come
from dijets. Kept is the leading anti-kT jet of each event with R = 1, 300 < pT < 400 GeV and |η| <
2; a W and its two quarks lie within R of the axis of signal jets. There is no window in mass:
`select` makes one.

pT falls within the window, for QCD a little more steeply: planing in jet_pt removes the difference.
QCD jets are made with 0.6 pt_min < p̂T < 1.6 pt_max: of those with 300 < pT < 400 GeV (5 ± 2.5) %
(of particles, without detector) come from 60 < p̂T < 180 GeV and are lost, fewer than 10⁻⁴ from
above.
"""

from __future__ import annotations

from bunchtrain.parts.ranges import Sampled
from bunchtrain.simulation._sample import JetOptions, Sample
from bunchtrain.simulation.pythia.layout import W_JETS

DEFAULTS = JetOptions(pt_min=300.0, pt_max=400.0, radius=1.0)


class WJets(Sample):
    """Hadronic W and QCD jets from Pythia and FastJet with a parametric detector.

    They come in turn, event 0 a W, event 1 a QCD jet; `is_w` is the label. The jets depend on
    the seed and on their index in the sample alone.

    jets      Number of jets, half of them W.
    detector  Whether constituents are energy-flow objects of a detector, else the visible particles
              that leave the collision.
    options   Window in pT, radius (also of the match to the W and its quarks), constituents; seed,
              processes, part (an even number), folder.

    Raises StudyError if an option is out of range, and MissingDependency if the jets do not exist
    yet and pythia8mc or fastjet is not installed.
    """

    name = "w_jets"
    layout = W_JETS
    maker = "pythia.leading_jets:BosonJets"

    def __init__(
        self, *, jets: Sampled = 10_000, detector: bool = True, options: JetOptions = DEFAULTS
    ) -> None:
        super().__init__(jets, options, detector=detector)
        self.check_window()
        self.check_jets(classes=2)
