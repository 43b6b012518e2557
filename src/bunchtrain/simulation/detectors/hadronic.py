"""Hadronic showers by Bock's parametrisation (numbers of hep-ex/9903019), for whole parts.

From the first interaction on, which is drawn from an exponential density in λ, the mean profile is
dE/dx ∝ w (x/X₀)^(a−1) e^(−bx/X₀) + (1 − w) (x/λ)^(a−1) e^(−dx/λ), a = 0.786 + 0.427 ln E,
b = 0.29, d = 0.978, w = 1.032 − 0.159 ln E: an electromagnetic and a hadronic part.
"""

from __future__ import annotations

import numpy as np
from scipy.special import gammainc

from bunchtrain.simulation.detectors.beam import Primaries
from bunchtrain.simulation.detectors.electromagnetic import draw_radii, radial_parameters
from bunchtrain.simulation.detectors.layers import Floats, Stack
from bunchtrain.simulation.detectors.parametrised import (
    Showers,
    Spots,
    divide_into_spots,
    fluctuate,
)

#: b and d, in 1/X₀ and 1/λ.
RATES = (0.29, 0.978)
#: Smallest energy in GeV whose profile is used below.
_LEAST = 1.0
#: Spots for each GeV, times the stochastic term, which is not below the second number.
_SPOTS, _SMALL = 10.3, 0.1


def bock_parameters(energy: Floats) -> tuple[Floats, Floats]:
    """Return a and w at energies in GeV, (n,); w is between 0 and 1, E at least 1 GeV.

    a = 0.786 + 0.427 ln E, w = 1.032 − 0.159 ln E (hep-ex/9903019).
    """
    log = np.log(np.maximum(energy, _LEAST))
    return 0.786 + 0.427 * log, np.clip(1.032 - 0.159 * log, 0, 1)


def mean_lengths(stack: Stack) -> tuple[float, float]:
    """Return X₀ and λ of the mean of the plates in mm: 1/X₀ = Σ wᵢ/X₀ᵢ over thicknesses wᵢ."""
    thick = sum(plate.thickness for plate in stack.plates)
    radiation = sum(plate.thickness / plate.material.radiation_length for plate in stack.plates)
    nuclear = sum(plate.thickness / plate.material.interaction_length for plate in stack.plates)
    return thick / radiation, thick / nuclear


def electromagnetic_share(energy: Floats, radiation: float, nuclear: float) -> Floats:
    """Return the fraction of the energy in the first part, (n,).

    f = w X₀ b⁻ᵃ/(w X₀ b⁻ᵃ + (1 − w) λ d⁻ᵃ), the integrals of both parts over x.

    energy     in GeV, (n,).
    radiation  X₀ in mm.
    nuclear    λ in mm.
    """
    a, w = bock_parameters(energy)
    first = w * radiation * RATES[0] ** -a
    second = (1 - w) * nuclear * RATES[1] ** -a
    return first / (first + second)


class HadronicShowers(Showers):
    """Makes parts of a sample by Bock's parametrisation."""

    def spots(self, primaries: Primaries, random: np.random.Generator) -> Spots:
        """Return the spots of all showers."""
        energy, cosine = primaries.energy, primaries.direction[:, 2]
        edges = [self.stack.edges(n) for n in ("radiation_length", "interaction_length")]
        begin = random.exponential(size=len(energy))
        # The place of the first interaction in λ and in X₀, along the shower.
        begins = [np.interp(begin * cosine, edges[1], edges[0]) / cosine, begin]
        depths = [edges[k] / cosine[:, None] - begins[k][:, None] for k in (0, 1)]
        a, _ = bock_parameters(energy)
        share = electromagnetic_share(energy, *mean_lengths(self.stack))
        first, second = (
            fraction[:, None] * profile_integrals(a, RATES[k], depths[k])
            for k, fraction in enumerate((share, 1 - share))
        )
        deposited = energy[:, None] * (first + second)
        sampling = self.recipe["sampling"]
        sampled = fluctuate(deposited, sampling, random) * self.visible
        number = _SPOTS / max(sampling, _SMALL) * deposited
        shower, layer, per_spot = divide_into_spots(sampled, number, random)
        is_first = random.uniform(size=len(shower)) * (first + second)[shower, layer]
        middle = (depths[0][:, 1:] + depths[0][:, :-1])[shower, layer] / 2
        tau = np.maximum(middle, 0) * RATES[0] / a[shower]
        core = radial_parameters(self.medium, np.maximum(energy * share, _LEAST)[shower], tau)
        narrow = draw_radii(*core, random) * self.medium.moliere
        scale = self.recipe["radius"] * mean_lengths(self.stack)[1]
        wide = random.gamma(2.0, scale, len(shower))
        radius = np.where(is_first < first[shower, layer], narrow, wide)
        return Spots(shower, layer, per_spot, radius)


def profile_integrals(a: Floats, rate: float, depths: Floats) -> Floats:
    """Return the share of a part of the profile between depths, (showers, layers).

    a       (showers,).
    rate    b or d.
    depths  of the edges of the layers behind the start, in the unit of the part,
            (showers, layers + 1).
    """
    return np.diff(gammainc(a[:, None], rate * np.maximum(depths, 0)), axis=1)
