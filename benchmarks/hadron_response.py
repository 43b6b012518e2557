"""Pions and electrons in 60 layers of iron and scintillator, with and without quenching.

    python benchmarks/hadron_response.py [--energy 10] [--pions 1500] [--electrons 300] [--seed 501]

The same showers of Geant4 are looked at twice: by the energy of all steps, and by the light of
Birks' law. Both are in the table that is made once and kept in the cache. The core of a
distribution is what lies within two standard deviations of a Gaussian that has its spread there;
errors are those of 200 bootstrap samples. Reference: 58 %/√E for pions of 10 to 80 GeV in CALICE's
calorimeter of steel and scintillator, arXiv:1207.4210.
"""

from __future__ import annotations

import argparse
import sys
from importlib.util import find_spec
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain import parts

Floats = NDArray[np.float64]
WHAT = (
    "e/π",
    "e/π of the core",
    "σ/E √E",
    "σ/E √E of the core",
    "half of the central 68 %, /E √E",
    "above 1.6 medians",
)
#: 21 mm of steel, taken as iron, and 5 mm of scintillator with tiles of 30 mm, 7.6 λ.
STACK = {
    "repeat": 60,
    "of": [
        {"material": "G4_Fe", "thickness": 21},
        {"material": "G4_POLYSTYRENE", "thickness": 5, "cell": 30},
    ],
}


def energies(particle: str, events: int, given: argparse.Namespace) -> tuple[Floats, Floats]:
    """Return the sum of all steps and the light in GeV, (showers,) each."""
    options: dict[str, Any] = {
        "layers": [STACK],
        "width": 1000,
        "cut": 0.7,
        "birks": {"G4_POLYSTYRENE": given.birks},
        "particles": [particle],
        "energy": [given.energy],
        "events": events,
        "seed": given.seed,
        "processes": given.processes,
    }
    source: Any = parts.build("source", "geant4_calorimeter", options)
    source.prepare()
    found = ak.concatenate(list(source.blocks(["deposited", "particle_visible"], 10_000)))
    return ak.to_numpy(found.deposited), ak.to_numpy(ak.sum(found.particle_visible, axis=1))


def core(values: Floats) -> tuple[float, float]:
    """Return mean and standard deviation of the core: a Gaussian within ±2 σ has 0.8796 σ."""
    mean, spread = float(np.median(values)), float(np.std(values))
    for _ in range(100):
        inside = values[np.abs(values - mean) < 2 * spread]
        mean, spread = float(inside.mean()), float(inside.std()) / 0.8796
    return mean, spread


def numbers(pions: Floats, electrons: Floats, energy: float) -> list[float]:
    """Return the values of `WHAT`."""
    mean, spread = core(pions)
    response = electrons.mean()
    widths = [np.std(pions) / np.mean(pions), spread / mean]
    low, middle, high = np.quantile(pions, (0.16, 0.5, 0.84))
    widths.append((high - low) / 2 / middle)
    tail = np.mean(pions > 1.6 * np.median(pions))
    root = energy**0.5
    return [response / pions.mean(), response / mean, *(root * one for one in widths), float(tail)]


def describe(name: str, pions: Floats, electrons: Floats, energy: float) -> None:
    """Print response and resolution."""
    random = np.random.default_rng(1)
    drawn = [(random.choice(pions, len(pions)), random.choice(electrons, len(electrons)))
             for _ in range(200)]  # fmt: skip
    values = numbers(pions, electrons, energy)
    errors = np.std([numbers(*one, energy) for one in drawn], axis=0)
    print(f"{name}: e {1000 * electrons.mean():.1f} MeV, π {1000 * pions.mean():.1f} MeV")
    for what, value, error in zip(WHAT, values, errors, strict=True):
        print(f"    {what}: {value:.3f} ± {error:.3f}")


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, allow_abbrev=False)
    parser.add_argument("--energy", type=float, default=10)
    parser.add_argument("--pions", type=int, default=1500)
    parser.add_argument("--electrons", type=int, default=300)
    parser.add_argument("--birks", type=float, default=0.126, help="kB in mm/MeV")
    parser.add_argument("--seed", type=int, default=501)
    parser.add_argument("--processes", type=int)
    given = parser.parse_args()
    if find_spec("geant4_pybind") is None or find_spec("xraydb") is None:
        print("not measured: pip install 'bunchtrain[geant4]'")
        return 0
    pions = energies("pi-", given.pions, given)
    electrons = energies("e-", given.electrons, given)
    print(f"{given.energy:g} GeV, {given.pions} pions, {given.electrons} electrons")
    describe("all energy", pions[0], electrons[0], given.energy)
    describe(f"light, kB {given.birks:g} mm/MeV", pions[1], electrons[1], given.energy)
    return 0


if __name__ == "__main__":
    sys.exit(main())
