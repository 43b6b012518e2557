"""Momenta of particles, converted between sets of components on demand."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from bunchtrain.physics import kinematics as kin
from bunchtrain.physics.packed import Floats

COMPONENTS = ("energy", "px", "py", "pz")


class Momentum:
    """Momenta of particles by component, e.g. `momentum["pt"]` in GeV.

    Made from px, py, pz or pt, eta, phi, and energy or mass; without these two the particles are
    massless. Other components are computed at first access.
    """

    def __init__(self, given: dict[str, Floats]) -> None:
        self._values = dict(given)

    def __getitem__(self, name: str) -> Floats:
        if name not in self._values:
            with np.errstate(all="ignore"):  # `finite` checks for NaN and infinity
                self._values[name] = _RULES[name](self)
        return self._values[name]

    def __contains__(self, name: str) -> bool:
        return name in self._values or name in _RULES

    def has(self, name: str) -> bool:
        """Return whether a component is given or already computed."""
        return name in self._values

    def stack(self) -> Floats:
        """Return (E, px, py, pz): (particles, 4)."""
        return np.stack([self[name] for name in COMPONENTS], axis=1)


def momentum_from_array(momenta: Floats) -> Momentum:
    """Return the momenta (particles, 4) of (E, px, py, pz)."""
    return Momentum(dict(zip(COMPONENTS, momenta.T, strict=True)))


def _energy(p: Momentum) -> Floats:
    squared = p["px"] ** 2 + p["py"] ** 2 + p["pz"] ** 2
    return np.sqrt(squared + p["mass"] ** 2 if p.has("mass") else squared)


def _mass(p: Momentum) -> Floats:
    return kin.invariant_mass(p.stack()) if p.has("energy") else np.zeros_like(p["px"])


_RULES: dict[str, Callable[[Momentum], Floats]] = {
    "px": lambda p: p["pt"] * np.cos(p["phi"]),
    "py": lambda p: p["pt"] * np.sin(p["phi"]),
    "pz": lambda p: p["pt"] * np.sinh(p["eta"]),
    "pt": lambda p: kin.transverse(p["px"], p["py"]),
    "eta": lambda p: kin.pseudorapidity(p["px"], p["py"], p["pz"]),
    "phi": lambda p: kin.azimuth(p["px"], p["py"]),
    "energy": _energy,
    "mass": _mass,
}
