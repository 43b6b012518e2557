"""Quenching of scintillators by Birks' law: dense ionisation makes less light for its energy.

J. B. Birks, Proc. Phys. Soc. A 64 (1951) 874. The constant kB belongs to the material: 0.126 mm/MeV
for polystyrene (arXiv:1106.5649).
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated

import numpy as np
from pydantic import Field

from bunchtrain.errors import StudyError, one_of
from bunchtrain.parts.ranges import NUMBER
from bunchtrain.simulation.detectors.layers import Floats, Stack
from bunchtrain.simulation.detectors.materials import find_material

#: Birks' constant kB in mm/MeV.
Birks = Annotated[float, Field(ge=0, le=10, allow_inf_nan=False), NUMBER]


def read_constants(given: Mapping[str, float], stack: Stack) -> dict[str, float]:
    """Return the constants that are not 0 by the names of Geant4.

    Raises StudyError for unknown materials, those without a layer with cells, and repetitions.
    """
    known = sorted({plate.material.name for plate in stack.sensitive})
    found: dict[str, float] = {}
    for name, constant in given.items():
        material = find_material(name, "birks").name
        if material not in known:
            text = f"there are layers with cells of {one_of(known)}"
            raise StudyError(f"birks: no layer with cells is of {material}; {text}")
        if material in found:
            raise StudyError(f"birks: {material} is listed twice; give one constant for it")
        found[material] = constant
    return {name: constant for name, constant in found.items() if constant}


def of_layers(constants: Mapping[str, float], stack: Stack) -> Floats:
    """Return kB of each layer with cells in mm/MeV, (layers,)."""
    return np.array([constants.get(plate.material.name, 0.0) for plate in stack.sensitive])


def visible_energy(energy: Floats, loss: Floats, constant: Floats) -> Floats:
    """Return the energy of steps that is seen as light, dE/(1 + kB dE/dx), (steps,).

    energy    dE, in any unit.
    loss      dE/dx in MeV/mm.
    constant  kB in mm/MeV.
    """
    found: Floats = energy / (1 + constant * loss)
    return found
