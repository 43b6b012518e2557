"""Pythia user hooks that veto collisions early which cannot pass the selection."""

from __future__ import annotations

from typing import Any

import pythia8mc

from bunchtrain.simulation.pythia.stdout import suppress_stdout

VETO_SCALE = 50.0  # GeV


class LeadingJetVeto(pythia8mc.UserHooks):  # type: ignore[misc]
    """Drops events whose leading parton jet is far from the wanted range.

    The veto is applied when the showers have evolved down to 50 GeV, and again before
    hadronisation. The margins are wide: about 1 % of the selected jets are lost. At the first stage
    resonances are undecayed, and neutral ones are invisible.
    """

    def __init__(self, pt_min: float, pt_max: float, radius: float, eta_max: float) -> None:
        super().__init__()
        self.early = (0.84 * pt_min, 1.35 * pt_max)
        self.late = (0.94 * pt_min, 1.20 * pt_max)
        self.eta_max = eta_max + 0.25
        self.jets = pythia8mc.SlowJet(-1, radius, self.early[0], 25.0, 2, 2)
        with suppress_stdout():
            self.jets.analyze(pythia8mc.Event())

    def canVetoPT(self) -> bool:  # noqa: N802
        """Return True: the veto is applied during the shower."""
        return True

    def scaleVetoPT(self) -> float:  # noqa: N802
        """Return the scale of the first veto, in GeV."""
        return VETO_SCALE

    def doVetoPT(self, stage: int, event: Any) -> bool:  # noqa: N802
        """Return whether an event is dropped at the first stage."""
        in_resonance_decay = stage == 5
        return not in_resonance_decay and self._outside(event, self.early)

    def canVetoPartonLevel(self) -> bool:  # noqa: N802
        """Return True: the veto is applied before hadronisation."""
        return True

    def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
        """Return whether an event is dropped at the second stage."""
        return self._outside(event, self.late)

    def _outside(self, event: Any, limits: tuple[float, float]) -> bool:
        self.jets.analyze(event)
        if self.jets.sizeJet() == 0 or not limits[0] < self.jets.pT(0) < limits[1]:
            return True
        return bool(abs(self.jets.p(0).eta()) > self.eta_max)


class ExtraBottomVeto(pythia8mc.UserHooks):  # type: ignore[misc]
    """Drops tt̄ events whose showers produce no b quarks in addition to those of the tops.

    Kept are events with at least four b quarks before hadronisation, three of them or more with
    pT > 15 GeV and |η| < 2.5.
    """

    def canVetoPartonLevel(self) -> bool:  # noqa: N802
        """Return True: the veto is applied before hadronisation."""
        return True

    def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
        """Return whether the event is dropped."""
        final = [each for each in event if each.idAbs() == 5 and each.isFinal()]
        hard = [each for each in final if each.pT() > 15 and abs(each.eta()) < 2.5]
        return len(final) < 4 or len(hard) < 3
