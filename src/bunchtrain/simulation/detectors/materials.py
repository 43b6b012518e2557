"""Materials by their NIST names, with the lengths that Geant4 11.4 gives them, without Geant4."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bunchtrain.errors import StudyError, nearest

#: Words for materials of detectors that are no names of NIST → a name, for messages.
_WORDS = {
    **{"tungsten": "G4_W", "wolfram": "G4_W", "iron": "G4_Fe", "steel": "G4_Fe", "lead": "G4_Pb"},
    **{"silicon": "G4_Si", "copper": "G4_Cu", "uranium": "G4_U", "aluminium": "G4_Al"},
    **{"argon": "G4_lAr", "liquid_argon": "G4_lAr", "scintillator": "G4_PLASTIC_SC_VINYLTOLUENE"},
    **{"lead_glass": "G4_GLASS_LEAD", "vacuum": "G4_Galactic", "gold": "G4_Au", "tin": "G4_Sn"},
}
_FILE = Path(__file__).with_name("materials.txt")


@dataclass(frozen=True)
class Material:
    """A material.

    name                as Geant4 spells it.
    density             in g/cm³.
    radiation_length    X₀ in mm.
    interaction_length  nuclear interaction length λ in mm.
    fractions           atomic number Z → fraction of the mass.
    """

    name: str
    density: float
    radiation_length: float
    interaction_length: float
    fractions: dict[int, float]

    @property
    def atomic_number(self) -> float:
        """Z, for a compound the mean over the mass."""
        return sum(number * share for number, share in self.fractions.items())


@cache
def materials() -> dict[str, Material]:
    """Return name → material: those of NIST in Geant4 without elements beyond uranium."""
    found = {}
    for line in _FILE.read_text(encoding="utf-8").splitlines():
        if line.startswith(("#", "A ")):
            continue
        name, density, radiation, interaction, *parts = line.split()
        fractions = {int(z): float(share) for z, share in (part.split(":") for part in parts)}
        lengths = 10 * float(radiation), 10 * float(interaction)
        found[name] = Material(name, float(density), *lengths, fractions)
    return found


@cache
def atomic_masses() -> tuple[float, ...]:
    """Return the masses of a mole in g, from hydrogen to uranium."""
    lines = _FILE.read_text(encoding="utf-8").splitlines()
    return tuple(map(float, next(line for line in lines if line.startswith("A "))[2:].split()))


def find_material(name: str, where: str) -> Material:
    """Return a material by its NIST name, in any case and with or without `G4_`.

    where  key of the study, for the message.

    Raises StudyError with the nearest names for an unknown one.
    """
    spelled = {known.lower(): known for known in materials()}
    word = name.strip().lower()
    for one in (word, f"g4_{word}"):
        if one in spelled:
            return materials()[spelled[one]]
    if common := _WORDS.get(word.removeprefix("g4_")):
        raise StudyError(f"{where}: there is no material '{name[:60]}'; did you mean '{common}'?")
    hint = nearest(name, materials()) or nearest(f"G4_{name}", materials())
    text = hint or "; give a NIST name of Geant4, such as G4_W, G4_Si or G4_PbWO4"
    raise StudyError(f"{where}: there is no material '{name[:60]}'{text}")
