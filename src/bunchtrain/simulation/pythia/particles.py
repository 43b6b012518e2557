"""Particles of a whole batch of events as flat arrays."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
Integers = NDArray[np.int64]


@dataclass(frozen=True)
class Particles:
    """Particles of many events, one after the other: every array is (particles,); GeV."""

    event: Integers
    pid: Integers
    charge: Integers
    px: Floats
    py: Floats
    pz: Floats
    energy: Floats

    @property
    def pt(self) -> Floats:
        """Transverse momentum in GeV."""
        return np.hypot(self.px, self.py)

    @property
    def eta(self) -> Floats:
        """Pseudorapidity."""
        return np.arcsinh(self.pz / np.maximum(self.pt, 1e-12))

    @property
    def phi(self) -> Floats:
        """Azimuth in rad, in (−π, π]."""
        return np.arctan2(self.py, self.px)

    def __getitem__(self, chosen: NDArray[Any]) -> Particles:
        return Particles(*(getattr(self, field.name)[chosen] for field in fields(self)))

    def scale(self, factor: Floats) -> Particles:
        """Return the particles with their four-momenta times `factor` (particles,)."""
        momenta = (self.px * factor, self.py * factor, self.pz * factor, self.energy * factor)
        return Particles(self.event, self.pid, self.charge, *momenta)


def merge(*collections: Particles) -> Particles:
    """Return the particles of several collections, ordered by event."""
    names = [field.name for field in fields(Particles)]
    columns = {name: np.concatenate([getattr(c, name) for c in collections]) for name in names}
    order = np.argsort(columns["event"], kind="stable")
    return Particles(**{name: column[order] for name, column in columns.items()})


def delta_r(eta_a: Floats, phi_a: Floats, eta_b: Floats, phi_b: Floats) -> Floats:
    """Return the angular distance ΔR = √(Δη² + Δφ²)."""
    turn = (phi_a - phi_b + np.pi) % (2 * np.pi) - np.pi
    return np.hypot(eta_a - eta_b, turn)
