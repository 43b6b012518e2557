"""Electromagnetic showers by the parametrisation of Grindhammer and Peters (hep-ex/0001020).

y = E/E_c; t in radiation lengths, r in Molière radii, τ = t/⟨t⟩. A shower's longitudinal profile is
a gamma density of shape α with its maximum at T = (α − 1)/β; ln T and ln α are correlated normal
numbers. The radial profile is a core and a tail,
f(r) = p 2rR_C²/(r² + R_C²)² + (1 − p) 2rR_T²/(r² + R_T²)². The numbers are those of Geant4's
`GVFlashHomoShowerTuning` and `GFlashSamplingShowerTuning`.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from scipy.special import gammainc

from bunchtrain.errors import StudyError
from bunchtrain.simulation.detectors.layers import Floats, Plate, Stack
from bunchtrain.simulation.detectors.materials import Material, atomic_masses

#: Energy scale of the Molière radius in MeV.
_SCALE = 21.2
#: Smallest y for which the parametrisation has a width.
_LEAST = 8.0


@dataclass(frozen=True)
class Medium:
    """The mean of the plates of a detector, in which a shower develops.

    radiation_length  X₀ in mm.
    moliere           Molière radius in mm.
    critical          critical energy E_c in MeV.
    number            atomic number Z.
    frequency         sampling frequency F_S = X₀/(d_a + d_p), 0 for a homogeneous detector.
    ratio             ê = 1/(1 + 0.007 (Z_p − Z_a)), 1 for a homogeneous detector.
    visible           fraction of the energy of a shower that is deposited in layers with cells.
    """

    radiation_length: float
    moliere: float
    critical: float
    number: float
    frequency: float
    ratio: float
    visible: float


def critical_energy(material: Material) -> float:
    """Return E_c = 2.66 (X₀ Z/A)^1.1 MeV, with X₀ in g/cm² (hep-ex/0001020)."""
    radiation = material.radiation_length / 10 * material.density
    share = sum(w * z / atomic_masses()[z - 1] for z, w in material.fractions.items())
    return float(2.66 * (radiation * share) ** 1.1)


def mean_medium(stack: Stack) -> Medium:
    """Return the mean of the plates: by mass, or by radiation lengths for E_c and the radius.

    1/X₀ = Σ wᵢ/X₀ᵢ over thicknesses wᵢ; E_c = X₀ Σ wᵢ E_cᵢ/X₀ᵢ; 1/R_M = Σ wᵢ E_cᵢ/X₀ᵢ/21.2 MeV.
    The layers with cells have the fraction of the ionisation of minimum ionising particles in them,
    f = Σ_p w E_c/X₀ / Σ w E_c/X₀, times ê.
    """
    dense = [plate for plate in stack.plates if plate.material.density > 0.01]
    if not any(plate.cell for plate in dense):
        raise StudyError("layers: those with cells must be solid or liquid for a parametrisation")
    thick = np.array([plate.thickness for plate in dense])
    radiation = np.array([plate.material.radiation_length for plate in dense])
    critical = np.array([critical_energy(plate.material) for plate in dense])
    mass = thick * np.array([plate.material.density for plate in dense])
    number = np.array([plate.material.atomic_number for plate in dense])
    is_active = np.array([plate.cell > 0 for plate in dense])
    inverse, loss = (thick / radiation).sum(), thick * critical / radiation
    length, periods = thick.sum() / inverse, _periods(dense)
    ratio = 1.0
    if periods:
        active, passive = (np.average(number[o], weights=mass[o]) for o in (is_active, ~is_active))
        ratio = float(1 / (1 + 0.007 * (passive - active)))
    return Medium(
        radiation_length=float(length),
        moliere=float(_SCALE * thick.sum() / loss.sum()),
        critical=float(loss.sum() / inverse),
        number=float(np.average(number, weights=mass)),
        frequency=float(length * periods / thick.sum()),
        ratio=ratio,
        visible=ratio * float(loss[is_active].sum() / loss.sum()),
    )


def _periods(plates: list[Plate]) -> int:
    """Return the number of layers with cells, 0 if there is nothing between them."""
    return sum(plate.cell > 0 for plate in plates) if any(not p.cell for p in plates) else 0


def draw_profiles(
    medium: Medium, energy: Floats, random: np.random.Generator
) -> tuple[Floats, Floats]:
    """Return α and β of single showers, (showers,) each.

    energy  in GeV, (showers,).

    Homogeneous: ⟨ln T⟩ = ln(ln y − 0.812), ⟨ln α⟩ = ln(0.81 + (0.458 + 2.26/Z) ln y),
    σ(ln T) = 1/(−1.4 + 1.26 ln y), σ(ln α) = 1/(−0.58 + 0.86 ln y), ρ = 0.705 − 0.023 ln y.
    Sampling: T − 0.55/F_S − 0.69 (1 − ê), α − 0.476/F_S, and other widths.
    """
    log = np.log(np.maximum(1000 * energy / medium.critical, _LEAST))
    depth = log - 0.812
    shape = 0.81 + (0.458 + 2.26 / medium.number) * log
    if medium.frequency:
        depth = depth - 0.55 / medium.frequency - 0.69 * (1 - medium.ratio)
        shape = shape - 0.476 / medium.frequency
        widths, rho = (-2.5 + 1.25 * log, -0.82 + 0.79 * log), 0.784 - 0.023 * log
    else:
        widths, rho = (-1.4 + 1.26 * log, -0.58 + 0.86 * log), 0.705 - 0.023 * log
    # At low energy the widths diverge; half of the value is the largest that is used.
    sigma = [1 / np.maximum(width, 2.0) for width in widths]
    first, second = random.normal(size=(2, len(energy)))
    plus, minus = np.sqrt((1 + rho) / 2), np.sqrt((1 - rho) / 2)
    maximum = np.exp(np.log(np.maximum(depth, 0.1)) + sigma[0] * (plus * first + minus * second))
    alpha = np.exp(np.log(np.maximum(shape, 1.1)) + sigma[1] * (plus * first - minus * second))
    alpha = np.maximum(alpha, 1.01)
    return alpha, (alpha - 1) / maximum


def mean_profile(medium: Medium, energy: float) -> tuple[float, float]:
    """Return α and β of the average profile of a homogeneous detector.

    T = ln y − 0.858; α = 0.21 + (0.492 + 2.38/Z) ln y.
    """
    log = float(np.log(1000 * energy / medium.critical))
    alpha = 0.21 + (0.492 + 2.38 / medium.number) * log
    return alpha, (alpha - 1) / (log - 0.858)


def layer_fractions(alpha: Floats, beta: Floats, edges: Floats) -> Floats:
    """Return the fraction of a shower's energy between edges in X₀, (showers, edges − 1)."""
    return np.diff(gammainc(alpha[:, None], beta[:, None] * np.maximum(edges, 0)), axis=1)


def radial_parameters(medium: Medium, energy: Floats, tau: Floats) -> tuple[Floats, Floats, Floats]:
    """Return R_C, R_T in Molière radii and p at relative depths τ, (n,) each.

    energy  of the shower in GeV, (n,).
    """
    log, z = np.log(energy), medium.number
    core = 0.0251 + 0.00319 * log + (0.1162 - 0.000381 * z) * tau
    rise = np.exp(-2.59 * (tau - 0.645)) + np.exp((0.3585 + 0.0412 * log) * (tau - 0.645))
    tail = (0.659 - 0.00309 * z) * rise
    u = (0.401 + 0.00187 * z - tau) / (1.313 - 0.0686 * log)
    weight = (2.632 - 0.00094 * z) * np.exp(u - np.exp(u))
    if medium.frequency:
        less, inverse = 1 - medium.ratio, 1 / medium.frequency
        core = core - 0.0203 * less + 0.0397 * inverse * np.exp(-tau)
        tail = tail - 0.14 * less - 0.495 * inverse * np.exp(-tau)
        weight = weight + less * (0.348 - 0.642 * inverse * np.exp(-((tau - 1) ** 2)))
    return np.maximum(core, 1e-3), np.maximum(tail, 0.02), np.clip(weight, 0, 1)


def draw_radii(core: Floats, tail: Floats, weight: Floats, random: np.random.Generator) -> Floats:
    """Return radii in Molière radii, (n,): r = R √(u/(1 − u)) of the core or the tail."""
    size = len(core)
    scale = np.where(random.uniform(size=size) < weight, core, tail)
    u = random.uniform(size=size)
    return scale * np.sqrt(u / (1 - u))
