"""b, c and light jets with displaced tracks, made with Pythia, for flavour tagging.

Proton collisions at 14 TeV without multiple interactions and pile-up. Half of the jets come from
hadronic top pairs, half from dijets (bb̄, cc̄ and all QCD, for the three flavours, hard collisions
favoured by (p̂T)^4.5 and not weighted back). Jets are anti-kT jets with R = 0.4, pT > 20 GeV and
|η| < 2.5 of the energy-flow objects of the parametric detector. A jet is b (`flavour` 5) if a
hadron with a b quark and pT > 5 GeV, which decays weakly, lies within ΔR = 0.3; else c (4) if one
with a c quark does; else light (0).

Heavy hadrons fly, strange ones too: tracks start at the vertices that Pythia gives and follow
helices in 2 T. Their impact parameters with respect to the collision are smeared by Gaussians (see
`simulation.tracks`), their efficiency is that of the ATLAS card of Delphes; a track has
pT > 1 GeV, |d₀| < 1 mm and |z₀ sin θ| < 1.5 mm, as for the recurrent tagger of ATLAS
(ATL-PHYS-PUB-2017-003; networks on such tracks: arXiv:1607.08633). Left out: tails of the
resolution, fakes, material, the spread of the collision point (it is known exactly), and that the
energy flow sees tracks found independently of these. Of 3,000 jets, at 77 % efficiency for b, the
sum of squared positive significances keeps one light jet in 91 and one c jet in 2.9.
"""

from __future__ import annotations

from bunchtrain.parts.ranges import Momentum, Radius, Sampled
from bunchtrain.simulation._sample import Sample, SampleOptions
from bunchtrain.simulation.pythia.layout import B_JETS

DEFAULTS = SampleOptions(part=1200)


class BJets(Sample):
    """b, c and light jets with tracks and their impact parameters, from Pythia.

    `flavour` is 5, 4 and 0 in turn, from top pairs and then from dijets. The groups of columns
    are `track`: pt, eta, phi, charge; d0 and z0 (times sin θ) in mm, positive towards the jet, with
    their significances; pt_fraction of the jet's pT; dr to its axis; and the truth: origin, with
    the codes of GN1 (ATL-PHYS-PUB-2022-027), 2 primary, 3 from b, 4 from b → c, 5 from c, 6 from τ
    and 7 other secondary, and vertex, the index of its production vertex in the jet (those within
    0.1 mm are one). Tracks are not ordered.

    jets     Number of jets, a third of each flavour.
    pt_min   Smallest jet pT in GeV.
    pt_max   Largest jet pT in GeV.
    radius   Radius R of the jets, within which their tracks lie.
    options  Seed, processes, part (a multiple of 6), folder.

    Raises StudyError if an option is out of range, and MissingDependency if the jets do not exist
    yet and pythia8mc or fastjet is not installed.
    """

    name = "b_jets"
    layout = B_JETS
    maker = "pythia.flavour_jets:FlavourJets"
    version = 2  # with the truth of tracks; all other columns are those of version 1

    def __init__(
        self,
        *,
        jets: Sampled = 12_000,
        pt_min: Momentum = 20.0,
        pt_max: Momentum = 300.0,
        radius: Radius = 0.4,
        options: SampleOptions = DEFAULTS,
    ) -> None:
        window = {"pt_min": float(pt_min), "pt_max": float(pt_max), "radius": float(radius)}
        super().__init__(jets, options, **window)
        self.check_window(least=20.0)
        self.check_jets(classes=6)
