"""Low-energy tables of Geant4 11.4, made from published formulas.

They stand in for Geant4's own data sets, which are not distributed with its package:

* bremsstrahlung below 1 GeV: Tsai, Rev. Mod. Phys. 46 (1974) 815, with Thomas–Fermi screening and
  the Coulomb correction;
* the photoelectric effect: Elam's tables in `xraydb`, with the shape of Sauter's formula above
  0.7 MeV;
* neutrons below 20 MeV: a black disc with a threshold, and 1/v capture, a crude model that only
  hadronic showers use.
"""

from __future__ import annotations

import shutil
import warnings
from collections.abc import Iterable
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
#: How results made with them are to be described.
STATEMENT = "Geant4 11.4 with low-energy tables made from published formulas"
#: Incremented when a change of the formulas changes the tables.
VERSION = 1
#: Variables that name Geant4's data sets; if one is missing, importing it may begin a download.
VARIABLES = tuple(
    f"G4{name}DATA"
    for name in (
        *("NEUTRONHP", "LE", "LEVELGAMMA", "RADIOACTIVE", "PARTICLEXS", "PII", "REALSURFACE"),
        *("SAIDXS", "ABLA", "INCL", "ENSDFSTATE", "CHANNELING"),
    )
)
#: Fine-structure constant; mass of the electron in MeV; r_e², the classical radius, in millibarn.
ALPHA, MASS, RADIUS_SQUARED = 1 / 137.036, 0.51099895, 79.4079
_FRACTIONS = np.array([0, 0.025, *np.arange(0.05, 0.91, 0.05), *(0.925, 0.95, 0.97, 0.98, 0.99),
                       *(0.995, 0.999, 0.9995, 0.9999, 0.99995, 1.0)])  # fmt: skip


def bremsstrahlung(number: int, energy: Floats, fraction: Floats) -> Floats:
    """Return (β²/Z²) k dσ/dk in millibarn, (energies, fractions).

    number    atomic number Z.
    energy    kinetic energies of the electron in MeV.
    fraction  energy k of the photon in units of the kinetic energy.

    With y = k/E and the screening functions φ₁, ψ₁ of Tsai, Rev. Mod. Phys. 46 (1974) 815:
    k dσ/dk = (16/3) α r_e² Z² [(1 − y + ¾y²)(φ₁/4 − ln Z/3 − f + (ψ₁/4 − 2 ln Z/3)/Z) + …].
    """
    total = energy[:, None] + MASS
    y = np.minimum(fraction * energy[:, None] / total, 1 - 1e-9)
    a = (ALPHA * number) ** 2
    coulomb = a * (1 / (1 + a) + 0.20206 - 0.0369 * a + 0.0083 * a**2 - 0.002 * a**3)
    gamma = 100 * MASS * y / (total * (1 - y)) / number ** (1 / 3)
    epsilon = gamma / number ** (1 / 3)
    phi = 16.863 - 2 * np.log(1 + 0.311877 * gamma**2)
    phi = phi + 2.4 * np.exp(-0.9 * gamma) + 1.6 * np.exp(-1.5 * gamma)
    psi = 24.34 - 2 * np.log(1 + 13.111641 * epsilon**2)
    psi = psi + 2.8 * np.exp(-8 * epsilon) + 1.2 * np.exp(-29.2 * epsilon)
    d_phi = 2 / (3 * (1 + 6.5 * gamma + 6 * gamma**2))
    d_psi = 2 / (3 * (1 + 40 * epsilon + 400 * epsilon**2))
    log = np.log(number)
    screened = phi / 4 - log / 3 - coulomb + (psi / 4 - 2 * log / 3) / number
    shape = (1 - y + 0.75 * y**2) * screened + (1 - y) / 8 * (d_phi + d_psi / number)
    found = 16 / 3 * ALPHA * RADIUS_SQUARED * shape * (1 - (MASS / total) ** 2)
    positive: Floats = np.maximum(found, 0.02 * found.max(1, keepdims=True))
    return positive


def sauter(energy: Floats) -> Floats:
    """Return the shape of Sauter's photoelectric cross-section of the K shell.

    energy  of the photon in MeV.

    (m/k)⁵ (βγ)³ [4/3 + γ(γ − 2)/(γ + 1) (1 − ln((1 + β)/(1 − β))/(2βγ²))], with γ = 1 + k/m;
    F. Sauter, Ann. Phys. 403 (1931) 454.
    """
    g = 1 + energy / MASS
    b = np.sqrt(1 - 1 / g**2)
    bracket = 1 - np.log((1 + b) / (1 - b)) / (2 * b * g * g)
    shape: Floats = (MASS / energy) ** 5 * (b * g) ** 3 * (4 / 3 + g * (g - 2) / (g + 1) * bracket)
    return shape


def neutron(mass: float, is_proton: bool, energy: Floats) -> tuple[Floats, Floats, Floats]:
    """Return inelastic, capture and elastic cross-sections of neutrons in barn, (energies,) each.

    mass       of a mole of the element in g.
    is_proton  whether it is hydrogen, which has no inelastic reactions.
    energy     in MeV.

    Black disc, σ = π (1.3 fm A^⅓)², with a threshold at 1.2 MeV; capture ∝ 1/v.
    """
    disc = 0.01 * np.pi * (1.3 * mass ** (1 / 3)) ** 2
    inelastic = disc / (1 + np.exp(np.minimum((1.2 - energy) / 0.3, 700.0))) * (not is_proton)
    capture = 0.02 * np.sqrt(mass * 2.5e-8 / energy) + 1e-4
    return inelastic, capture, np.full(len(energy), disc + 3)


def write_tables(folder: Path, elements: Iterable[int] = range(1, 93)) -> None:
    """Write the tables of elements in Geant4's formats; needs `xraydb`."""
    import xraydb

    for name in ("brem_SB", "epics2017/phot", "neutron", "gamma"):
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "ENSDFSTATE.dat").touch()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # SQLAlchemy's, on reading the tables
        data = xraydb.XrayDB()
        for number in elements:
            _write_bremsstrahlung(folder / f"brem_SB/br{number}", number)
            _write_photoelectric(folder / "epics2017/phot", number, data)
            _write_neutron(folder / "neutron", number, data.molar_mass(data.symbol(number)))


def tables_folder(cache: Path) -> Path:
    """Return the folder of the tables in the cache; they are written if they are not there."""
    folder = cache / f"geant4_tables_{VERSION}"
    if not folder.is_dir():
        cache.mkdir(parents=True, exist_ok=True)
        made = Path(mkdtemp(prefix=".geant4_tables.", dir=cache))
        try:
            write_tables(made)
            made.rename(folder)
        except OSError:
            if not folder.is_dir():  # not of another process, which was faster
                raise
        finally:
            shutil.rmtree(made, ignore_errors=True)
    return folder


def data_environment(folder: Path) -> dict[str, str]:
    """Return the variables with which the import of Geant4 needs no input and no download."""
    return {"GEANT4_DATA_DIR": str(folder), **dict.fromkeys(VARIABLES, str(folder))}


def _write_bremsstrahlung(path: Path, number: int) -> None:
    energy = np.geomspace(1e-3, 1e4, 57)
    values = bremsstrahlung(number, energy, _FRACTIONS)
    head = f"0 {len(_FRACTIONS)} {len(energy)}\n"
    rows = [_FRACTIONS, np.log(energy), *values]
    path.write_text(head + "".join(" ".join(f"{v:.8g}" for v in row) + "\n" for row in rows))


def _write_photoelectric(folder: Path, number: int, data: Any) -> None:
    """Write σ E³ below 0.2 MeV, and the coefficients of a fit of σ to powers of 1/E above."""
    symbol = data.symbol(number)
    scale = data.molar_mass(symbol) / 0.602214076  # from cm²/g to barn

    def measured(energy: Floats) -> Floats:
        found: Floats = data.mu_elam(symbol, energy * 1e6, kind="photo") * scale
        return found

    edges = np.array([one.energy for one in data.xray_edges(symbol).values()]) * 1e-6
    edges = edges[edges > 150e-6]
    low = np.concatenate([np.geomspace(1.1e-4, 0.2, 400), edges * 0.9999, edges * 1.0001])
    low = np.unique(low[low <= 0.2])
    _write_vector(folder / f"pe-cs-{number}.dat", low, measured(low) * low**3)
    near, far = np.geomspace(0.15, 0.75, 40), np.geomspace(1.5, 100, 40)
    start = measured(np.array([0.7]))[0] / sauter(np.array([0.7]))[0]
    energy = np.concatenate([near, far])
    sigma = np.concatenate([measured(near), start * sauter(far)])
    powers = np.stack([energy ** -(k + 1.0) for k in range(6)], 1) / sigma[:, None]
    fit = np.linalg.lstsq(powers, np.ones(len(energy)), rcond=None)[0]
    for kind in ("high", "low"):
        text = "1 1 0.15\n1.0e-05 " + " ".join(f"{value:.9g}" for value in fit) + "\n"
        (folder / f"pe-{kind}-{number}.dat").write_text(text)


def _write_neutron(folder: Path, number: int, mass: float) -> None:
    fast, slow = np.geomspace(1e-3, 20, 200), np.geomspace(1e-11, 20, 300)
    _write_vector(folder / f"inel{number}", fast, neutron(mass, number == 1, fast)[0])
    _write_vector(folder / f"cap{number}", slow, neutron(mass, number == 1, slow)[1])
    _write_vector(folder / f"el{number}", slow, neutron(mass, number == 1, slow)[2])


def _write_vector(path: Path, x: Floats, y: Floats) -> None:
    head = f"{x[0]:.8g} {x[-1]:.8g} {len(x)}\n{len(x)}\n"
    path.write_text(head + "".join(f"{a:.8g} {b:.8g}\n" for a, b in zip(x, y, strict=True)))
