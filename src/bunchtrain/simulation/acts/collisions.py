"""Charged particles of collisions with pile-up, from Pythia or from a gun, for whole parts.

Pile-up is overlaid from a pool of soft inelastic collisions, which are made once: their number is a
Poisson number, each is turned by a random angle around the beam and has a vertex of its own. One of
them is drawn several times once there are more than `pool` of them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.simulation.detectors.beam import PARTICLES
from bunchtrain.simulation.pythia.processes import TOP_PAIRS, Process

Floats = NDArray[np.float64]
Ints = NDArray[np.int64]
#: Process → settings of Pythia; the gun has none.
PROCESSES = {
    "ttbar": ("Top:gg2ttbar = on", "Top:qqbar2ttbar = on"),
    "hadronic_ttbar": TOP_PAIRS,
    "dijets": ("HardQCD:all = on", "PhaseSpace:pTHatMin = 50."),
    "z_to_muons": ("WeakSingleBoson:ffbar2gmZ = on", "23:onMode = off", "23:onIfAny = 13"),
    "minimum_bias": ("SoftQCD:inelastic = on",),
    "gun": (),
}
#: With multiple interactions; particles decay where they fly, within the detector.
SETTINGS = (
    "PartonLevel:MPI = on",
    "ParticleDecays:limitCylinder = on",
    "ParticleDecays:xyMax = 1000.",
    "ParticleDecays:zMax = 2500.",
)
#: Mass in GeV of the particles of a gun.
MASSES = {11: 0.000511, 13: 0.105658, 211: 0.139570, 321: 0.493677, 2212: 0.938272}
#: Radius in mm within which particles begin.
_RADIUS = 1000.0
#: Speed of light in mm/ns.
LIGHT = 299.792458


@dataclass(frozen=True)
class Charged:
    """Charged particles of many collisions, one after the other, (particles,) each; mm and GeV.

    event      index of the collision or of the event.
    collision  index of the collision in its event, 0 for the hard one.
    pdg        number of the Particle Data Group.
    t          time times c in mm.
    """

    event: Ints
    collision: Ints
    pdg: Ints
    charge: Floats
    mass: Floats
    x: Floats
    y: Floats
    z: Floats
    t: Floats
    px: Floats
    py: Floats
    pz: Floats

    def __getitem__(self, chosen: NDArray[Any]) -> Charged:
        return Charged(*(getattr(self, field.name)[chosen] for field in fields(self)))


class Collisions:
    """Makes the particles of the parts of a sample.

    recipe  of the source, as plain data.
    """

    def __init__(self, recipe: Mapping[str, Any]) -> None:
        self.recipe = recipe
        self.pool: Charged | None = None

    def part(self, index: int) -> tuple[Charged, dict[str, ak.Array]]:
        """Return the particles of a part in the order of the events, and its true collisions."""
        events, seed = int(self.recipe["part"]), [int(self.recipe["seed"]), index]
        random = np.random.default_rng(seed)
        if self.recipe["process"] == "gun":
            hard = shoot(self.recipe, events, random)
        else:
            lines = (*PROCESSES[self.recipe["process"]], *self.recipe["settings"])
            hard = self._generate(lines, int(random.integers(1, 900_000_000)), events)
        mean = self.recipe["pile_up"]
        if isinstance(mean, list):
            mean = random.uniform(mean[0], mean[1], events)
        number = 1 + random.poisson(mean, events)
        parts = [hard, *self._overlay(number - 1, random)]
        columns = (np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Charged))
        every = Charged(*columns)
        every = every[np.lexsort((every.collision, every.event))]
        return self._spread(every, number, random)

    def _overlay(self, number: Ints, random: np.random.Generator) -> list[Charged]:
        """Return the soft collisions of the events, `number` (events,) in each."""
        if not number.sum():
            return []
        if self.pool is None:
            seed = np.random.SeedSequence([int(self.recipe["seed"]), 2**31]).generate_state(1)[0]
            lines = PROCESSES["minimum_bias"]
            self.pool = self._generate(lines, 1 + int(seed) % 899_999_999, self.recipe["pool"])
        size = np.bincount(self.pool.event, minlength=self.recipe["pool"])
        drawn = random.integers(0, self.recipe["pool"], number.sum())
        rows, collision = expand(np.cumsum(size) - size, size, drawn)
        own = np.arange(len(drawn)) - np.repeat(np.cumsum(number) - number, number)
        event = np.repeat(np.arange(len(number)), number)[collision]
        turned = turn(self.pool[rows], random.uniform(0, 2 * np.pi, len(drawn))[collision])
        kept = {f.name: getattr(turned, f.name) for f in fields(Charged)}
        return [Charged(**{**kept, "event": event, "collision": 1 + own[collision]})]

    def _spread(
        self, every: Charged, number: Ints, random: np.random.Generator
    ) -> tuple[Charged, dict[str, ak.Array]]:
        """Move the collisions, `number` (events,) in each event, to their places along the beam."""
        width, length = self.recipe["beam_width"], self.recipe["beam_length"]
        count = number.sum()
        scale = (width, width, length, length)
        place = {a: random.normal(0, s, count) for a, s in zip("xyzt", scale, strict=True)}
        row = (np.cumsum(number) - number)[every.event] + every.collision
        moved = {axis: getattr(every, axis) + place[axis][row] for axis in "xyzt"}
        kept = {f.name: getattr(every, f.name) for f in fields(Charged)}
        truth = {f"collision_{axis}": ak.unflatten(place[axis], number) for axis in "xyz"}
        truth["collision_time"] = ak.unflatten(place["t"] / LIGHT, number)
        return Charged(**{**kept, **moved}), truth

    def _generate(self, lines: Sequence[str], seed: int, count: int) -> Charged:
        """Return the particles of collisions from Pythia."""
        from bunchtrain.simulation.pythia.collisions import Collisions as Generator

        generator = Generator(Process(tuple(lines)), seed, *SETTINGS)
        made, parts = 0, list[Charged]()
        while made < count:  # a batch leaves out the collisions that fail
            record = generator.record(count - made)
            parts.append(self._charged(record, generator.pythia.particleData, made))
            made += record.events
        columns = (np.concatenate([getattr(p, f.name) for p in parts]) for f in fields(Charged))
        return Charged(*columns)

    def _charged(self, record: Any, data: Any, first: int) -> Charged:
        found = record.particles
        kinds, kind = np.unique(found.pid, return_inverse=True)
        charge = np.array([data.charge(int(one)) for one in kinds])[kind]
        mass = np.array([data.m0(int(one)) for one in kinds])[kind]
        zero = {"px": 0.0, "py": 0.0, "pz": 0.0, "e": 0.0}
        vertex = ak.fill_none(record.flat.vProd, zero)
        x, y, z, t = (ak.to_numpy(vertex[name]) for name in zero)
        kept = (record.status > 0) & (charge != 0) & (found.pt > self.recipe["pt_min"])
        kept &= (np.abs(found.eta) < self.recipe["eta_max"]) & (np.hypot(x, y) < _RADIUS)
        none = np.zeros(len(kept), np.int64)
        momentum = found.px, found.py, found.pz
        every = Charged(first + found.event, none, found.pid, charge, mass, x, y, z, t, *momentum)
        return every[kept]


def expand(starts: Ints, sizes: Ints, drawn: Ints) -> tuple[Ints, Ints]:
    """Return the rows of runs, and for each row which of the drawn runs it belongs to.

    starts  (runs,) first row of each run.
    sizes   (runs,) its number of rows.
    drawn   (n,) indices of runs.
    """
    count = sizes[drawn]
    owner = np.repeat(np.arange(len(drawn)), count)
    within = np.arange(count.sum()) - np.repeat(np.cumsum(count) - count, count)
    return starts[drawn][owner] + within, owner


def turn(particles: Charged, angle: Floats) -> Charged:
    """Return particles turned around the beam by angles in rad, (particles,)."""
    cosine, sine = np.cos(angle), np.sin(angle)
    found = {f.name: getattr(particles, f.name) for f in fields(Charged)}
    for x, y in (("x", "y"), ("px", "py")):
        a, b = found[x], found[y]
        found[x], found[y] = cosine * a - sine * b, sine * a + cosine * b
    return Charged(**found)


def shoot(recipe: Mapping[str, Any], events: int, random: np.random.Generator) -> Charged:
    """Return particles from the origin: pT uniform in its logarithm, η and φ uniform."""
    number = recipe["gun_count"]
    count = events * number
    names = np.array([PARTICLES[name] for name in recipe["gun_particles"]])
    chosen = random.integers(0, len(names), count)
    pdg = names[chosen]
    low, high = recipe["gun_pt"][0], recipe["gun_pt"][-1]
    pt = np.exp(random.uniform(np.log(low), np.log(high), count))
    eta = random.uniform(recipe["gun_eta"][0], recipe["gun_eta"][-1], count)
    phi = random.uniform(-np.pi, np.pi, count)
    sign = np.where(np.isin(np.abs(pdg), (11, 13)), -1.0, 1.0) * np.sign(pdg)
    mass = np.array([MASSES[abs(int(one))] for one in names])[chosen]
    zero = np.zeros(count)
    return Charged(
        event=np.repeat(np.arange(events), number),
        collision=np.zeros(count, np.int64),
        pdg=pdg,
        charge=sign,
        mass=mass,
        x=zero, y=zero, z=zero, t=zero,
        px=pt * np.cos(phi), py=pt * np.sin(phi), pz=pt * np.sinh(eta),
    )  # fmt: skip
