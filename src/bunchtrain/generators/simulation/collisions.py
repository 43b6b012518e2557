"""Proton collisions at 14 TeV from Pythia 8 (arXiv:2203.11601), a batch at a time.

Few collisions give a jet in the wanted range. Those that cannot are dropped early: when the showers
have evolved down to 50 GeV, and again before hadronisation. The margins are wide: about one wanted
jet in a hundred is lost.

The window in p̂T, 0.6 pt_min < p̂T < 1.6 pt_max, loses more: of jets with 550 < pT < 650 GeV
(13 ± 2) % of the tops and (2.7 ± 0.3) % of the QCD jets come from 150 < p̂T < 330 GeV, where a hard
gluon from the initial state gives the boost. These tops look like the others (median mass 175
against 173 GeV, 63 against 61 constituents); these QCD jets are heavier (91 against 74 GeV). The
upper end loses nothing that counts.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import awkward as ak
import numpy as np
import pythia8mc

from bunchtrain.errors import MachineError
from bunchtrain.generators.simulation.particles import Floats, Integers, Particles
from bunchtrain.generators.simulation.quiet import silence

PROCESSES = {
    "top": (
        "Top:gg2ttbar = on",
        "Top:qqbar2ttbar = on",
        "24:onMode = off",
        "24:onIfAny = 1 2 3 4 5",
    ),
    "qcd": ("HardQCD:all = on",),
}
COLLIDER = ("Beams:eCM = 14000.", "PartonLevel:MPI = off", "Print:quiet = on")
POSITIVE = (211, 321, 2212, -11, -13)
NEUTRINOS = (12, 14, 16)
VETO_SCALE = 50.0  # GeV


@dataclass(frozen=True)
class Truth:
    """Hadronically decaying top quarks and their three quarks; every array is (partons,)."""

    event: Integers
    sign: Integers
    pid: Integers
    pt: Floats
    eta: Floats
    phi: Floats


class _LeadingJet(pythia8mc.UserHooks):  # type: ignore[misc]
    """Drops events whose leading parton jet is far from the wanted range."""

    def __init__(self, pt_min: float, pt_max: float, radius: float, eta_max: float) -> None:
        super().__init__()
        self.early = (0.84 * pt_min, 1.35 * pt_max)
        self.late = (0.94 * pt_min, 1.20 * pt_max)
        self.eta_max = eta_max + 0.25
        self.jets = pythia8mc.SlowJet(-1, radius, self.early[0], 25.0, 2, 2)
        with silence():
            self.jets.analyze(pythia8mc.Event())

    def canVetoPT(self) -> bool:  # noqa: N802
        return True

    def scaleVetoPT(self) -> float:  # noqa: N802
        return VETO_SCALE

    def doVetoPT(self, stage: int, event: Any) -> bool:  # noqa: N802
        in_resonance_decay = stage == 5
        return not in_resonance_decay and self._outside(event, self.early)

    def canVetoPartonLevel(self) -> bool:  # noqa: N802
        return True

    def doVetoPartonLevel(self, event: Any) -> bool:  # noqa: N802
        return self._outside(event, self.late)

    def _outside(self, event: Any, limits: tuple[float, float]) -> bool:
        self.jets.analyze(event)
        if self.jets.sizeJet() == 0 or not limits[0] < self.jets.pT(0) < limits[1]:
            return True
        return bool(abs(self.jets.p(0).eta()) > self.eta_max)


class Collisions:
    """Collisions of one process whose leading jet is near (pt_min, pt_max).

    The hard process is generated with 0.6 pt_min < p̂T < 1.6 pt_max.
    """

    def __init__(
        self,
        process: str,
        seed: int,
        *,
        pt_min: float,
        pt_max: float,
        radius: float,
        eta_max: float,
    ) -> None:
        self.pythia = pythia8mc.Pythia("", False)
        self.hook = _LeadingJet(pt_min, pt_max, radius, eta_max)
        window = (
            f"PhaseSpace:pTHatMin = {0.6 * pt_min}",
            f"PhaseSpace:pTHatMax = {1.6 * pt_max}",
            "Random:setSeed = on",
            f"Random:seed = {seed}",
        )
        for setting in (*COLLIDER, *PROCESSES[process], *window):
            self.pythia.readString(setting)
        self.pythia.setUserHooksPtr(self.hook)
        if not self.pythia.init():
            raise MachineError(
                f"Pythia does not start for {process} jets of {pt_min:g} to {pt_max:g} GeV"
            )

    def batch(self, count: int) -> tuple[int, Particles, Truth]:
        """Return the number of events, their visible final particles and their top quarks."""
        record = self.pythia.nextBatch(count).prt
        size = ak.to_numpy(ak.num(record.id))
        event = np.repeat(np.arange(len(size)), size)
        first = np.repeat(np.cumsum(size) - size, size)
        flat = ak.flatten(record)
        pid, status, mother = (
            ak.to_numpy(flat[name]).astype(np.int64) for name in ("id", "status", "mother1")
        )
        momentum = [ak.to_numpy(flat.p[name]) for name in ("px", "py", "pz", "e")]
        charge = np.isin(pid, POSITIVE).astype(np.int64) - np.isin(-pid, POSITIVE)
        everything = Particles(event, pid, charge, *momentum)
        visible = (status > 0) & ~np.isin(np.abs(pid), NEUTRINOS)
        return len(size), everything[visible], _truth(everything, status, pid[first + mother])


def _truth(record: Particles, status: Integers, mother: Integers) -> Truth:
    """Return the tops as they decay (status −62) and the quarks they decay to (−23)."""
    top = (np.abs(record.pid) == 6) & (status == -62)
    from_top = np.isin(np.abs(mother), (6, 24)) & (status == -23) & (np.abs(record.pid) < 6)
    sign = np.where(top, np.sign(record.pid), np.sign(mother))
    wanted = top | from_top
    partons = record[wanted]
    return Truth(partons.event, sign[wanted], partons.pid, partons.pt, partons.eta, partons.phi)
