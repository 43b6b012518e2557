"""Proton collisions from Pythia 8 (arXiv:2203.11601), a batch at a time."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import awkward as ak
import numpy as np
import pythia8mc

from bunchtrain.errors import MachineError
from bunchtrain.simulation.pythia.particles import Floats, Integers, Particles
from bunchtrain.simulation.pythia.processes import Process

COLLIDER = ("Beams:eCM = 14000.", "PartonLevel:MPI = off", "Print:quiet = on")
POSITIVE = (211, 321, 2212, -11, -13)
NEUTRINOS = (12, 14, 16)


@dataclass(frozen=True)
class Truth:
    """Partons to match jets to: those of the class and the quarks of their decay, (partons,) each.

    leading   whether a parton defines the class; the others are quarks from its decay.
    sign      of the particle that defines the class, or of the mother of the quark.
    """

    event: Integers
    sign: Integers
    leading: Integers
    pt: Floats
    eta: Floats
    phi: Floats


class Record:
    """The event records of a batch of collisions, as flat arrays (entries,)."""

    def __init__(self, batch: ak.Array) -> None:
        self.batch = batch
        size = ak.to_numpy(ak.num(batch.prt.id))
        self.events = len(size)
        self.flat = ak.flatten(batch.prt)
        pid, self.status, mother = (
            ak.to_numpy(self.flat[name]).astype(np.int64) for name in ("id", "status", "mother1")
        )
        #: Row of the (first) mother; of an entry without one, that of the whole event.
        self.mother = np.repeat(np.cumsum(size) - size, size) + mother
        momentum = [ak.to_numpy(self.flat.p[name]) for name in ("px", "py", "pz", "e")]
        charge = np.isin(pid, POSITIVE).astype(np.int64) - np.isin(-pid, POSITIVE)
        event = np.repeat(np.arange(len(size)), size)
        self.particles = Particles(event, pid, charge, *momentum)

    @cached_property
    def visible(self) -> Any:
        """Which entries are final particles other than neutrinos."""
        return (self.status > 0) & ~np.isin(np.abs(self.particles.pid), NEUTRINOS)

    @property
    def vertex(self) -> Floats:
        """Production vertices of the entries: (entries, 3) in mm."""
        place = ak.fill_none(self.flat.vProd, {"px": 0.0, "py": 0.0, "pz": 0.0, "e": 0.0})
        return np.stack([ak.to_numpy(place[name]) for name in ("px", "py", "pz")], axis=1)

    @property
    def weight(self) -> Floats:
        """The weights of the events: (events,)."""
        return np.asarray(ak.to_numpy(self.batch.info.weights[:, 0]))

    def truth(self, process: Process) -> Truth:
        """Return the partons that the jets of a process are matched to."""
        kind, mother = np.abs(self.particles.pid), self.particles.pid[self.mother]
        leading = np.isin(kind, process.matched) & (self.status == process.status)
        quark = np.isin(np.abs(mother), process.decays) & (self.status == -23) & (kind < 6)
        sign = np.where(leading, np.sign(self.particles.pid), np.sign(mother))
        wanted = leading | quark
        found = self.particles[wanted]
        return Truth(found.event, sign[wanted], leading[wanted], found.pt, found.eta, found.phi)


class Collisions:
    """Collisions of one process, with more settings and perhaps a veto."""

    def __init__(
        self, process: Process, seed: int, *settings: str, veto: pythia8mc.UserHooks | None = None
    ) -> None:
        self.process, self.veto = process, veto
        self.pythia = pythia8mc.Pythia("", False)
        seeding = ("Random:setSeed = on", f"Random:seed = {seed}")
        for setting in (*COLLIDER, *process.settings, *settings, *seeding):
            if not self.pythia.readString(setting):
                raise MachineError(f"Pythia has no setting '{setting}'")
        if veto is not None:
            self.pythia.setUserHooksPtr(veto)
        if not self.pythia.init():
            raise MachineError(
                f"Pythia does not start with {', '.join((*process.settings, *settings))}"
            )

    def record(self, count: int) -> Record:
        """Return the records of the next collisions."""
        return Record(self.pythia.nextBatch(count))

    def batch(self, count: int) -> tuple[int, Particles, Truth]:
        """Return the number of events, their visible final particles and the partons to match."""
        record = self.record(count)
        return record.events, record.particles[record.visible], record.truth(self.process)


def hard_window(low: float, high: float) -> tuple[str, str]:
    """Return the settings of a window in p̂T in GeV."""
    return f"PhaseSpace:pTHatMin = {low}", f"PhaseSpace:pTHatMax = {high}"


def hard_bias(power: float) -> tuple[str, str]:
    """Return the settings that favour hard collisions by (p̂T)^power, with weights."""
    return "PhaseSpace:bias2Selection = on", f"PhaseSpace:bias2SelectionPow = {power}"
