"""Incident particles: names, energies, directions and vertices, drawn for whole parts."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from typing import Annotated, Any, Literal

import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator, Field

from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.parts import Options
from bunchtrain.parts.ranges import NUMBER
from bunchtrain.simulation.detectors.layers import Position

Floats = NDArray[np.float64]
#: Name in Geant4 → number of the Particle Data Group.
PARTICLES = {
    **{"gamma": 22, "e-": 11, "e+": -11, "mu-": 13, "mu+": -13, "pi0": 111, "pi+": 211},
    **{"pi-": -211, "kaon+": 321, "kaon-": -321, "kaon0L": 130, "kaon0S": 310, "proton": 2212},
    **{"anti_proton": -2212, "neutron": 2112, "anti_neutron": -2112, "lambda": 3122},
}
#: Words for particles → name in Geant4, for messages.
_WORDS = {"electron": "e-", "positron": "e+", "photon": "gamma", "muon": "mu-", "pion": "pi-"}
ELECTROMAGNETIC = {"gamma", "e-", "e+"}


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if values[0] > values[-1]:
        raise ValueError(f"{values[-1]:g} follows {values[0]:g}; give the smaller one first")
    return values


_Window = Field(min_length=1, max_length=2)
#: Kinetic energy in GeV, for which there are cross-sections.
Energy = Annotated[float, Field(ge=1e-4, le=1000), NUMBER]
#: One value, or the smallest and the largest.
Energies = Annotated[tuple[Energy, ...], _Window, AfterValidator(_rising)]
Positions = Annotated[tuple[Position, ...], _Window, AfterValidator(_rising)]
PolarAngle = Annotated[float, Field(ge=0, le=3.1416), NUMBER]
PolarAngles = Annotated[tuple[PolarAngle, ...], _Window, AfterValidator(_rising)]
Azimuth = Annotated[float, Field(ge=-6.2832, le=6.2832), NUMBER]
Azimuths = Annotated[tuple[Azimuth, ...], _Window, AfterValidator(_rising)]
Count = Annotated[int, Field(ge=1, le=1000), NUMBER]
Counts = Annotated[tuple[Count, ...], _Window, AfterValidator(_rising)]
Names = Annotated[tuple[str, ...], Field(min_length=1, max_length=100)]


@dataclass(frozen=True)
class BeamOptions(Options):
    """Incident particles. Two numbers are the ends of a range, which is filled evenly.

    particles    names in Geant4, each equally probable: e-, gamma, pi+, kaon0L, proton, ...
    energy       kinetic energy in GeV.
    spectrum     whether the energy or its logarithm is uniform.
    showers      number of particles in an event.
    x            of the vertex in mm.
    y            of the vertex in mm.
    z            of the vertex in mm; the layers begin at 0.
    theta        angle to the z axis in rad, uniform in its cosine.
    phi          azimuth of the direction in rad.
    one_of_each  whether an event has one of each of the particles, in their order, in place of
                 `showers` random ones.
    """

    particles: Names = ("e-",)
    energy: Energies = (10.0,)
    spectrum: Literal["uniform", "logarithmic"] = "uniform"
    showers: Counts = (1,)
    x: Positions = (0.0,)
    y: Positions = (0.0,)
    z: Positions = (-50.0,)
    theta: PolarAngles = (0.0,)
    phi: Azimuths = (0.0, 2 * np.pi)
    one_of_each: bool = False

    def recipe(self) -> dict[str, Any]:
        """Return the options as plain data."""
        values = {f.name: getattr(self, f.name) for f in fields(self)}
        if not self.one_of_each:  # samples made before there was this option keep their key
            del values["one_of_each"]
        return {n: list(v) if isinstance(v, tuple) else v for n, v in values.items()}

    def check(self, known: Sequence[str] = tuple(PARTICLES)) -> None:
        """Raise StudyError, with the nearest name, for a particle that is not known."""
        for name in self.particles:
            if name not in known:
                word = _WORDS.get(name.strip().lower(), name)
                hint = nearest(word, known) or f"; there are {one_of(known)}"
                raise StudyError(f"particles: there is no particle '{name[:60]}'{hint}")


def read_beam(recipe: Mapping[str, Any]) -> BeamOptions:
    """Return the incident particles of a recipe."""
    given: dict[str, Any] = {
        n: tuple(v) if isinstance(v, list) else v for n, v in recipe["beam"].items()
    }
    return BeamOptions(**given)


@dataclass(frozen=True)
class Primaries:
    """Incident particles of a part, one after the other.

    event      (particles,) index of the event in the part.
    name       (particles,) name in Geant4.
    energy     (particles,) kinetic energy in GeV.
    vertex     (particles, 3) in mm.
    direction  (particles, 3) unit vectors.
    """

    event: NDArray[np.int64]
    name: list[str]
    energy: Floats
    vertex: Floats
    direction: Floats

    @property
    def pdg(self) -> NDArray[np.int64]:
        """Numbers of the Particle Data Group, (particles,)."""
        return np.array([PARTICLES[one] for one in self.name], np.int64)

    @property
    def angles(self) -> tuple[Floats, Floats]:
        """θ and φ in rad, (particles,) each."""
        x, y, z = self.direction.T
        return np.arctan2(np.hypot(x, y), z), np.arctan2(y, x)


def draw_primaries(beam: BeamOptions, events: int, random: np.random.Generator) -> Primaries:
    """Return the incident particles of `events` events."""

    def uniform(window: Sequence[float], count: int) -> Floats:
        return random.uniform(window[0], window[-1], count)

    low, high, names = beam.showers[0], beam.showers[-1], len(beam.particles)
    if beam.one_of_each:
        event, chosen = np.repeat(np.arange(events), names), np.tile(np.arange(names), events)
    else:
        event = np.repeat(np.arange(events), random.integers(low, high + 1, events))
        chosen = random.integers(0, names, len(event))
    count = len(event)
    if beam.spectrum == "logarithmic":
        energy = np.exp(uniform(np.log(beam.energy).tolist(), count))
    else:
        energy = uniform(beam.energy, count)
    vertex = np.stack([uniform(window, count) for window in (beam.x, beam.y, beam.z)], 1)
    cosine = uniform(np.cos(beam.theta[::-1]).tolist(), count)
    phi = uniform(beam.phi, count)
    sine = np.sqrt(np.maximum(0, 1 - cosine**2))
    direction = np.stack([sine * np.cos(phi), sine * np.sin(phi), cosine], 1)
    return Primaries(event, [beam.particles[k] for k in chosen], energy, vertex, direction)
