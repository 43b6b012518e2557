"""Straight tracks through the modules of a vertex detector without field, like LHCb's VELO.

A stand-in for `lhcb_velo` where its file is missing, with the same columns. Particles come from
one collision, z ~ N(0, 45 mm), with exponential pT and uniform η; they are straight lines but for
multiple scattering, 13.6 MeV/p · √(x/X₀) per module with x/X₀ = 1 % at normal incidence. Modules
cover x > −2 mm and x < 2 mm in turn, from 5.1 to 50 mm from the beam; hits are smeared by 12 µm and
found with an efficiency of 99 %. Noise is uniform in the radius. Left out: secondary particles and
their vertices, hits of several particles, material outside the modules.
"""

from __future__ import annotations

from collections.abc import Mapping

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.parts.ranges import PointCount, Sampled, Seed
from bunchtrain.simulation._seeded_parts import SeededParts
from bunchtrain.tables.geometry import Geometry
from bunchtrain.tables.table import Table

Floats = NDArray[np.float64]
#: z of the modules in mm, those of the upgraded VELO.
Z = np.concatenate(
    [
        np.arange(-287.5, -190, 12.5),
        [-137.5, -125.0],
        np.arange(-62.5, 280, 12.5),
        [312.5, 325.0, 387.5, 400.0, 487.5, 500.0, 587.5, 600.0],
        [637.5, 650.0, 687.5, 700.0, 737.5, 750.0],
    ]
)
INNER, OUTER, OVERLAP = 5.1, 50.0, 2.0  # mm
RESOLUTION, EFFICIENCY, THICKNESS = 0.012, 0.99, 0.01  # mm, 1, X₀
SPREAD, PT = 45.0, 0.6  # mm, GeV
ETA = (-4.5, 5.0)
PION = 211  # number of the Particle Data Group
#: Events that are generated with one seed.
PART = 100
FIELDS = {
    **{f"hit_{axis}": "var * float32" for axis in "xyz"},
    **{"hit_module": "var * int64", "hit_particle": "var * int64"},
    **{f"particle_{name}": "var * float32" for name in ("p", "pt", "eta", "phi")},
    **{"particle_hits": "var * int64", "particle_hasVelo": "var * int64"},
    "particle_pid": "var * int64",
}


class StraightTracks(SeededParts):
    """Simulated hits of straight tracks in a vertex detector, with the particle of each hit.

    The columns are those of `lhcb_velo`, as far as they apply: `hit_x`, `hit_y`, `hit_z` in mm,
    `hit_module`, `hit_particle` (−1 for noise); `particle_p` and `particle_pt` in GeV,
    `particle_eta`, `particle_phi`, `particle_pid` (211, pions), `particle_hits` and
    `particle_hasVelo`, 1 with three hits. The modules travel with the events as the conditions
    `geometry`, by `module`.

    events     Number of events.
    particles  Mean number of particles of an event.
    noise      Mean number of hits of noise.
    seed       Of the random numbers.
    """

    name = "straight_tracks"
    part = PART
    layout = FIELDS

    def __init__(
        self,
        *,
        events: Sampled = 1000,
        particles: PointCount = 150,
        noise: PointCount = 100,
        seed: Seed = 1,
    ) -> None:
        self.events, self.particles, self.noise, self.seed = events, particles, noise, seed

    def fingerprint(self) -> str:
        """Return a text that changes with the options."""
        return f"straight_tracks 2 {(self.events, self.particles, self.noise, self.seed)}"

    @property
    def conditions(self) -> Mapping[str, Table]:
        """The modules, by `module`."""
        module = np.arange(len(Z))
        columns = {"module": module, "x": np.where(module % 2, 1, -1) * (OUTER - OVERLAP) / 2}
        columns |= {"y": np.zeros_like(Z), "z": Z}
        columns |= {"width": np.full_like(Z, OUTER + OVERLAP)}
        columns |= {"height": np.full_like(Z, 2 * OUTER)}
        return {"geometry": Geometry(columns, "module")}

    def generate(self, part: int) -> ak.Array:
        """Return the events of a part."""
        random = np.random.default_rng([self.seed, part])
        counts = random.poisson(self.particles, PART)
        event = np.repeat(np.arange(PART), counts)
        pt, eta, phi = (
            random.exponential(PT, len(event)) + 0.05,
            random.uniform(*ETA, len(event)),
            random.uniform(-np.pi, np.pi, len(event)),
        )
        kinematics = {"p": pt * np.cosh(eta), "pt": pt, "eta": eta, "phi": phi}
        start = random.normal(0, SPREAD, PART)[event]
        hits = propagate(kinematics, start, random)
        own = np.arange(len(event)) - np.repeat(np.cumsum(counts) - counts, counts)
        number = np.bincount(hits["particle"], minlength=len(event))
        found = {name: (event[hits["particle"]], hits[name]) for name in ("x", "y", "z", "module")}
        found["particle"] = (event[hits["particle"]], own[hits["particle"]])
        table = _with_noise(found, self.noise, random)
        of_particles = {**kinematics, "hits": number, "hasVelo": (number >= 3).astype(np.int64)}
        of_particles["pid"] = np.full(len(event), PION)
        table |= {f"particle_{name}": ak.unflatten(v, counts) for name, v in of_particles.items()}
        cast = {n: ak.values_astype(table[n], FIELDS[n].rpartition(" ")[2]) for n in FIELDS}
        return ak.zip(cast, depth_limit=1)


def propagate(
    particles: dict[str, Floats], start: Floats, random: np.random.Generator
) -> dict[str, NDArray[np.generic]]:
    """Return x, y, z (mm), module and particle of the hits, (hits,) each, module by module.

    particles  p, eta and phi, (particles,) each.
    start      z of the production vertices on the beam line in mm, (particles,).
    random     for scattering, resolution and efficiency.
    """
    forward = particles["eta"] > 0
    slope = 1 / np.abs(np.sinh(particles["eta"]))  # r against |z|
    tx, ty = slope * np.cos(particles["phi"]), slope * np.sin(particles["phi"])
    angle = 0.0136 / particles["p"] * np.sqrt(THICKNESS * np.hypot(1, slope))
    found: list[tuple[NDArray[np.generic], ...]] = []
    for is_forward, order in ((True, range(len(Z))), (False, reversed(range(len(Z))))):
        rows = np.flatnonzero(forward == is_forward)
        x, y, z, sx, sy = 0 * start[rows], 0 * start[rows], start[rows], tx[rows], ty[rows]
        for module in order:
            step = (Z[module] - z) if is_forward else (z - Z[module])
            ahead = step > 0
            x, y = np.where(ahead, x + sx * step, x), np.where(ahead, y + sy * step, y)
            z = np.where(ahead, Z[module], z)
            side, radius = (x if module % 2 else -x) > -OVERLAP, np.hypot(x, y)
            inside = ahead & side & (radius > INNER) & (radius < OUTER)
            sx = sx + inside * angle[rows] * random.normal(size=len(rows))
            sy = sy + inside * angle[rows] * random.normal(size=len(rows))
            seen = np.flatnonzero(inside & (random.uniform(size=len(rows)) < EFFICIENCY))
            smear = RESOLUTION * random.normal(size=(2, len(seen)))
            place = (x[seen] + smear[0], y[seen] + smear[1], z[seen])
            found.append((*place, np.full(len(seen), module), rows[seen]))
    names = ("x", "y", "z", "module", "particle")
    return {name: np.concatenate([one[k] for one in found]) for k, name in enumerate(names)}


def _with_noise(
    found: dict[str, tuple[NDArray[np.generic], NDArray[np.generic]]],
    noise: int,
    random: np.random.Generator,
) -> dict[str, ak.Array]:
    """Return the hits and random ones as lists of the events, in the order of the modules."""
    count = random.poisson(noise, PART)
    radius = random.uniform(INNER, OUTER, count.sum())
    module = random.integers(0, len(Z), count.sum())
    turn = random.uniform(-np.pi / 2, np.pi / 2, count.sum())
    x = radius * np.cos(turn) * np.where(module % 2, 1, -1)
    extra = {"x": x, "y": radius * np.sin(turn), "z": Z[module], "module": module}
    extra["particle"] = np.full(count.sum(), -1)
    event = np.concatenate([found["x"][0], np.repeat(np.arange(PART), count)])
    values = {name: np.concatenate([found[name][1], extra[name]]) for name in extra}
    order = np.lexsort((values["x"], values["module"], event))
    counts = np.bincount(event, minlength=PART)
    return {f"hit_{name}": ak.unflatten(value[order], counts) for name, value in values.items()}
