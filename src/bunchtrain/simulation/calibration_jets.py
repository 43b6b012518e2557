"""QCD jets before and after the detector, for the calibration of the jet energy.

Proton collisions at 14 TeV without multiple interactions and pile-up; QCD dijets. True jets are
anti-kT jets with R = 0.4 of all visible particles that leave the collision, measured jets those of
the energy-flow objects of the parametric detector. Of each collision one of the two hardest true
jets is taken at random, so that jets are independent of one another; it has 30 < pT < 1000 GeV and
|η| < 2.5, and the nearest measured jet, of at least 5 GeV, lies within R / 2.

Hard collisions are favoured by (p̂T)^4.5, so that log pT is flat within a factor of two; `weight`
gives back the steeply falling one. The window 0.6 pt_min < p̂T < 1.6 pt_max loses jets near pt_min
from softer collisions; how many was not measured. Of 2,000 jets the mean of measured over true pT
is 0.97 at 30 to 45 GeV and 0.997 at 700 to 1000 GeV, its deviation 8.5 % and 2.5 %.
"""

from __future__ import annotations

from bunchtrain.parts.ranges import Sampled
from bunchtrain.simulation._sample import JetOptions, Sample
from bunchtrain.simulation.pythia.layout import CALIBRATION_JETS

DEFAULTS = JetOptions(pt_min=30.0, pt_max=1000.0, radius=0.4, constituents=100)


class CalibrationJets(Sample):
    """QCD jets with their true and their measured momentum from Pythia and a parametric detector.

    The columns `true_pt`, `true_eta`, `true_phi` and `true_mass` are those of the jet of
    particles; `jet_pt` ... and the constituents are measured. The jets depend on the seed and on
    their index in the sample alone.

    jets     Number of jets.
    options  Window in true pT, radius, constituents; seed, processes, part, folder.

    Raises StudyError if an option is out of range, and MissingDependency if the jets do not exist
    yet and pythia8mc or fastjet is not installed.

    The bias of the hard process is Pythia's (arXiv:2203.11601).
    """

    name = "calibration_jets"
    layout = CALIBRATION_JETS
    maker = "pythia.calibration:CalibrationJets"

    def __init__(self, *, jets: Sampled = 10_000, options: JetOptions = DEFAULTS) -> None:
        super().__init__(jets, options)
        self.check_window(least=20.0)
        self.check_jets()
