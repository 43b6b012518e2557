"""Gluon, light-quark, W, Z and top jets at pT ≈ 1 TeV, the five classes of the trigger benchmark.

Proton collisions at 13 TeV without multiple interactions and pile-up, with the hard partons in a
window of ±1 % about pT = 1 TeV: gg, light qq and qq̄, WW, ZZ and tt̄, bosons and tops decaying to
quarks (arXiv:1804.06913, which has MadGraph in front of Pythia and no detector). Kept is the
leading anti-kT jet of each event with R = 0.8, 0.8 < pT < 1.6 TeV and |η| < 2, if the parton of its
class lies within R of its axis; that all quarks of a decay do is not asked for. Two thirds of the
gluon jets lie within 965 < pT < 1110 GeV, of the others within less. The detector costs much:
boosted trees on the features of 3,750 jets have an accuracy of (65 ± 1.2) % without and (58 ± 1.2)
% with it. The 16 published features follow from the constituents: representation
`trigger_features`.
"""

from __future__ import annotations

from bunchtrain.errors import StudyError
from bunchtrain.parts.ranges import Momentum, PointCount, Radius, Sampled, Share
from bunchtrain.simulation._sample import Sample, SampleOptions
from bunchtrain.simulation.pythia.layout import TRIGGER_JETS

DEFAULTS = SampleOptions()


class TriggerJets(Sample):
    """Jets of five classes at pT ≈ 1 TeV from Pythia and FastJet with a parametric detector.

    They come in turn, with `label` 0 for g, 1 for q, 2 for W, 3 for Z and 4 for t. The jets depend
    on the seed and on their index in the sample alone.

    jets          Number of jets, a fifth of each class.
    detector      Whether constituents are energy-flow objects of a detector, else the visible
                  particles that leave the collision, as in the published sample.
    pt            Transverse momentum of the hard partons in GeV; jets lie in 0.8 … 1.6 of it.
    spread        Half of the relative width of the window around it.
    radius        Radius R of the jets and of the match to the parton.
    constituents  Largest number of constituents kept, the hardest.
    options       Seed, processes, part (a multiple of 5), folder.

    Raises StudyError if an option is out of range, and MissingDependency if the jets do not exist
    yet and pythia8mc or fastjet is not installed.
    """

    name = "trigger_jets"
    layout = TRIGGER_JETS
    maker = "pythia.leading_jets:FiveClassJets"

    def __init__(
        self,
        *,
        jets: Sampled = 10_000,
        detector: bool = True,
        pt: Momentum = 1000.0,
        spread: Share = 0.01,
        radius: Radius = 0.8,
        constituents: PointCount = 200,
        options: SampleOptions = DEFAULTS,
    ) -> None:
        super().__init__(
            jets,
            options,
            detector=detector,
            pt=float(pt),
            spread=float(spread),
            radius=float(radius),
            constituents=constituents,
        )
        if not 100.0 <= pt <= 5000.0 or not 0.001 <= spread <= 0.5:
            raise StudyError(
                f"trigger_jets: pt must lie between 100 and 5000 GeV and spread between 0.001 and "
                f"0.5, got {pt:g} and {spread:g}"
            )
        self.check_jets(classes=5)
