"""Images of a straight track in a telescope of planes with strips, among noise.

A particle crosses planes perpendicular to z. Each plane scatters it by an angle of mean 0 and
θ = 13.6 MeV/p √(x/X₀) (Highland, Nucl. Instrum. Meth. 129 (1975) 497, without its logarithm), and
has a hit on the strip that it crosses with an efficiency; noise lies on any strip. The estimator of
x = a + b z with the smallest variance that is linear in the true hits x_i, that of a Kalman filter,
has their covariance

    V_ij = δ_ij pitch²/12 + θ² Σ_{k < min(i, j)} (z_i − z_k)(z_j − z_k).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import Field

from bunchtrain.parts import Options
from bunchtrain.parts.ranges import NUMBER, Sampled, Seed
from bunchtrain.simulation._seeded_parts import SeededParts

Floats = NDArray[np.float64]
#: Events that are generated with one seed.
PART = 500
#: Variance in mm² of a plane without a hit: none of its own.
_NOTHING = 1e9
Planes = Annotated[int, Field(ge=3, le=64), NUMBER]
Strips = Annotated[int, Field(ge=8, le=512), NUMBER]
Length = Annotated[float, Field(gt=0, le=1000), NUMBER]
Material = Annotated[float, Field(ge=0, le=1), NUMBER]
Momentum = Annotated[float, Field(ge=0.05, le=1000), NUMBER]
Fraction = Annotated[float, Field(ge=0, le=1), NUMBER]
Slope = Annotated[float, Field(ge=0, le=1), NUMBER]
_FIT = ("intercept", "slope", "intercept_sigma", "slope_sigma", "intercept_slope_correlation")
LAYOUT = {
    "event_id": "int64",
    "image": "var * float32",
    **dict.fromkeys(("intercept", "slope"), "float32"),
    **{f"fit_{name}": "float32" for name in _FIT},
    **{"hit_plane": "var * int64", "hit_x": "var * float32", "hit_z": "var * float32"},
    "hit_particle": "var * int64",
    "noise_hits": "int64",
}


@dataclass(frozen=True)
class TelescopeOptions(Options):
    """The planes and the particle.

    planes      number of planes.
    distance    between planes in mm.
    strips      of a plane.
    pitch       width of a strip in mm.
    thickness   of a plane in radiation lengths.
    efficiency  probability of a hit of the particle in a plane.
    noise       probability of a hit on each strip without the particle.
    momentum    of the particle in GeV.
    slope       largest |slope| of the particle before the first plane.
    """

    planes: Planes = 12
    distance: Length = 30.0
    strips: Strips = 48
    pitch: Length = 0.25
    thickness: Material = 0.01
    efficiency: Fraction = 0.98
    noise: Fraction = 0.02
    momentum: Momentum = 2.0
    slope: Slope = 0.02


class StripTelescope(SeededParts):
    """Images of a straight track with scattering in a telescope of strips, among noise.

    Columns: `image`, 1 for each strip with a hit, planes × strips in one list; `intercept`, x in mm
    at the first plane, and `slope` before it; `hit_plane`, `hit_x` and `hit_z` of the strips with a
    hit, and `hit_particle`, 0 for the particle and −1 for noise; `noise_hits`, their number.
    `fit_intercept`, `fit_slope`, `fit_intercept_sigma`, `fit_slope_sigma` and
    `fit_intercept_slope_correlation` are a least-squares fit to the true hits with their
    covariance by strips and scattering. Events with fewer than three of these are not made.

    events     Number of events.
    telescope  The planes and the particle.
    seed       Of the random numbers.
    """

    name = "strip_telescope"
    part = PART
    layout = LAYOUT

    def __init__(
        self,
        *,
        events: Sampled = 10_000,
        telescope: TelescopeOptions = TelescopeOptions(),
        seed: Seed = 1,
    ) -> None:
        self.events, self.telescope, self.seed = events, telescope, seed

    def fingerprint(self) -> str:
        """Return a text that changes with the options."""
        return f"strip_telescope 1 {(self.events, self.telescope, self.seed)}"

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        names = ("intercept", "fit_intercept", "fit_intercept_sigma", "hit_x", "hit_z")
        return dict.fromkeys(names, "mm")

    @property
    def places(self) -> Floats:
        """The z of the planes in mm, (planes,)."""
        return self.telescope.distance * np.arange(self.telescope.planes, dtype=np.float64)

    @property
    def angle(self) -> float:
        """Standard deviation in rad of the scattering in a plane."""
        return 0.0136 / self.telescope.momentum * float(np.sqrt(self.telescope.thickness))

    def generate(self, part: int) -> ak.Array:
        """Return the events of a part."""
        random, options = np.random.default_rng([self.seed, part]), self.telescope
        size = (PART, options.planes)
        half = options.strips * options.pitch / 2
        slope = random.uniform(-options.slope, options.slope, PART)
        reach = np.maximum(half - np.abs(slope) * self.places[-1] - 2 * options.pitch, 0)
        start = random.uniform(-1, 1, PART) * reach - slope * self.places[-1] / 2
        x = start[:, None] + slope[:, None] * self.places + self._scattered(random)
        strip = np.floor((x + half) / options.pitch).astype(np.int64)
        inside = (strip >= 0) & (strip < options.strips)
        seen = inside & (random.uniform(size=size) < options.efficiency)
        seen |= inside & (np.cumsum(inside, 1) <= 3) & (seen.sum(1) < 3)[:, None]
        image = random.uniform(size=(*size, options.strips)) < options.noise
        event, plane = np.nonzero(seen)
        own = np.zeros_like(image)
        own[event, plane, strip[event, plane]] = True
        image |= own
        middle = (np.arange(options.strips) + 0.5) * options.pitch - half
        hit = np.nonzero(image)
        counts = image.sum((1, 2))
        columns = {"event_id": part * PART + np.arange(PART), "intercept": start, "slope": slope}
        columns |= {"noise_hits": (image & ~own).sum((1, 2))}
        columns |= self._fit(np.where(seen, middle[np.clip(strip, 0, len(middle) - 1)], 0), seen)
        lists = {"hit_plane": hit[1], "hit_x": middle[hit[2]], "hit_z": self.places[hit[1]]}
        lists |= {"hit_particle": np.where(own[hit], 0, -1)}
        made = columns | {name: ak.unflatten(value, counts) for name, value in lists.items()}
        made["image"] = ak.Array(image.reshape(PART, -1).astype(np.float32))
        made["image"] = ak.from_regular(made["image"])
        cast = {n: ak.values_astype(made[n], LAYOUT[n].rpartition(" ")[2]) for n in LAYOUT}
        return ak.zip(cast, depth_limit=1)

    def _scattered(self, random: np.random.Generator) -> Floats:
        """Return the displacement in each plane by those before it, (events, planes)."""
        angles = random.normal(0, self.angle, (PART, self.telescope.planes))
        lever = np.maximum(self.places[None] - self.places[:, None], 0)  # from k to i
        return np.asarray(angles @ lever)

    def _fit(self, x: Floats, seen: NDArray[np.bool_]) -> dict[str, Floats]:
        """Return the fit of a straight line to hits at x (events, planes), where there is one."""
        lever = np.maximum(self.places[None] - self.places[:, None], 0)
        covariance = self.angle**2 * lever.T @ lever
        own = np.where(seen, self.telescope.pitch**2 / 12, _NOTHING)
        inverse = np.linalg.inv(covariance + own[:, :, None] * np.eye(len(self.places)))
        line = np.stack([np.ones_like(self.places), self.places], 1)  # derivatives by a and b
        fitted = np.linalg.inv(line.T @ inverse @ line)
        found = (fitted @ (line.T @ inverse @ x[:, :, None]))[:, :, 0]
        sigma = np.sqrt(np.einsum("nii->ni", fitted))
        values = (*found.T, *sigma.T, fitted[:, 0, 1] / sigma.prod(1))
        return {f"fit_{name}": value for name, value in zip(_FIT, values, strict=True)}
