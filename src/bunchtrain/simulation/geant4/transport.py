"""Geant4's detector, source of particles and sensor; imported in child processes only."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from functools import cache
from typing import Any

import geant4_pybind as g4
import numpy as np
from numpy.typing import NDArray

from bunchtrain.simulation.detectors.beam import ELECTROMAGNETIC, BeamOptions, Primaries
from bunchtrain.simulation.detectors.layers import Stack

#: Numbers of a step: x, y, z in mm and time in ns of its start, energy in MeV, layer. In short
#: steps x, y, z are of the middle, and the PDG number of the particle follows; dE/dx in MeV/mm
#: follows for quenching.
STEP, LONGER_STEP = 6, 7
#: Space around the detector and the vertices, mm.
_MARGIN = 100.0


class Transport:
    """Geant4 with one detector; there can be one in a process.

    stack  plates of the detector.
    beam   whose particles decide the physics: electromagnetic, or hadronic as well (FTFP_BERT).
    cut    production threshold of secondaries as a range in mm.
    field  magnetic field in tesla, (3,), uniform in the whole space.
    short  largest step in mm in layers with cells; as long as the physics allows if None.
    losses  whether steps have their dE/dx.
    """

    def __init__(
        self,
        stack: Stack,
        beam: BeamOptions,
        cut: float,
        field: Sequence[float],
        short: float | None = None,
        losses: bool = False,
    ) -> None:
        kind = _ShortSteps if short is not None else _Losses if losses else _Sensor
        self.numbers = STEP if kind is _Sensor else LONGER_STEP
        self.steps = array("d")
        self.actions = _Actions()
        edges = [stack.front, stack.back, *beam.z]
        sides = [stack.width / 2, *(abs(v) for v in (*beam.x, *beam.y))]
        world = (max(sides) + _MARGIN, max(map(abs, edges)) + _MARGIN)
        self._keep = [
            _Detector(stack, world, self.steps, kind, short),
            _Physics(any(n not in ELECTROMAGNETIC for n in beam.particles), short is not None),
            self.actions,
        ]
        self.manager = g4.G4RunManagerFactory.CreateRunManager(g4.G4RunManagerType.Serial)
        for one in self._keep:
            self.manager.SetUserInitialization(one)
        self.manager.Initialize()
        # A cut that is set in the constructor of the physics has no effect.
        g4.G4UImanager.GetUIpointer().ApplyCommand(f"/run/setCut {cut} mm")
        if any(field):
            value = g4.G4ThreeVector(*(one * g4.tesla for one in field))
            self._keep.append(g4.G4GlobalMagFieldMessenger(value))

    def run(
        self,
        primaries: Primaries,
        seeds: NDArray[np.int64],
        finish: Callable[[int, NDArray[np.float64]], None],
        begin: Callable[[int], None],
    ) -> None:
        """Simulate particles, one after the other, each with random numbers of its own.

        seeds   (particles, 2).
        finish  is called with the index of a particle and its steps, (steps, 6 or 7).
        begin   is called with the index of a particle before it is simulated.
        """
        gun = self.actions.gun

        def start(index: int) -> None:
            begin(index)
            g4.HepRandom.setTheSeeds([*map(int, seeds[index]), 0])  # the end of the list
            gun.aim(primaries, index)

        def end(index: int) -> None:
            finish(index, np.frombuffer(self.steps.tobytes()).reshape(-1, self.numbers))
            del self.steps[:]

        gun.start, self.actions.end.end = start, end
        self.manager.BeamOn(len(primaries.event))


class _Sensor(g4.G4VSensitiveDetector):  # type: ignore[misc]
    """Appends each step with energy to an array, which is all that is done in Python for it.

    There is one for each layer, as asking Geant4 for the layer takes a fifth of the time of a step.
    """

    def __init__(self, layer: int, steps: array[float]) -> None:
        super().__init__(f"sensor{layer}")
        self.layer, self.extend = layer, steps.extend

    def ProcessHits(self, step: Any, history: Any) -> bool:  # noqa: N802
        """Append position, time, energy and layer."""
        energy = step.GetTotalEnergyDeposit()
        if energy > 0.0:
            point = step.GetPreStepPoint()
            place = point.GetPosition()
            self.extend((place.x, place.y, place.z, point.GetGlobalTime(), energy, self.layer))
        return True


class _ShortSteps(_Sensor):
    """Appends the middle of each step, and the particle that makes it."""

    def ProcessHits(self, step: Any, history: Any) -> bool:  # noqa: N802
        """Append position, time, energy, layer and PDG number."""
        energy = step.GetTotalEnergyDeposit()
        if energy > 0.0:
            point = step.GetPreStepPoint()
            a, b = point.GetPosition(), step.GetPostStepPoint().GetPosition()
            middle = ((a.x + b.x) / 2, (a.y + b.y) / 2, (a.z + b.z) / 2)
            pdg = step.GetTrack().GetParticleDefinition().GetPDGEncoding()
            self.extend((*middle, point.GetGlobalTime(), energy, self.layer, pdg))
        return True


class _Losses(_Sensor):
    """Appends each step with its dE/dx.

    Neutral particles, and those at rest, deposit energy at a point: that of a photon is taken as
    the energy of an electron that stops, that of others as a proton's, as in Geant4's own
    G4EmSaturation, and dE/dx as energy by range.
    """

    def ProcessHits(self, step: Any, history: Any) -> bool:  # noqa: N802
        """Append position, time, energy, layer and dE/dx."""
        energy = step.GetTotalEnergyDeposit()
        if energy > 0.0:
            point = step.GetPreStepPoint()
            kind, length = step.GetTrack().GetParticleDefinition(), step.GetStepLength()
            if length <= 0.0 or kind.GetPDGCharge() == 0.0:
                stops = "e-" if kind.GetPDGEncoding() == 22 else "proton"
                length = _ranges().GetRange(energy, stops, point.GetMaterial().GetName())
            place, time = point.GetPosition(), point.GetGlobalTime()
            loss = energy / length
            self.extend((place.x, place.y, place.z, time, energy, self.layer, loss))
        return True


@cache
def _ranges() -> Any:
    """Return Geant4's tables of ranges, which exist once it has been initialised."""
    return g4.G4EmCalculator()


class _Detector(g4.G4VUserDetectorConstruction):  # type: ignore[misc]
    """Boxes along z in a vacuum. All solids and volumes are kept, or Python would free them."""

    def __init__(
        self,
        stack: Stack,
        world: tuple[float, float],
        steps: array[float],
        kind: type[_Sensor],
        short: float | None,
    ) -> None:
        super().__init__()
        self.stack, self.world = stack, world
        self.sensors = [kind(layer, steps) for layer in range(len(stack.sensitive))]
        self.limit = None if short is None else g4.G4UserLimits(short)
        self.keep, self.sensitive = list[Any](), list[Any]()

    def Construct(self) -> Any:  # noqa: N802
        """Return the placed world."""
        side, length = self.world
        world, placed = self._box("world", side, length, "G4_Galactic", None, 0.0)
        half = self.stack.width / 2
        for index, plate in enumerate(self.stack.plates):
            thick = plate.thickness / 2
            middle, name = plate.front + thick, f"plate{index}"
            box = self._box(name, half, thick, plate.material.name, world, middle)
            if plate.cell:
                self.sensitive.append(box[0])
        return placed

    def _box(
        self, name: str, side: float, thick: float, material: str, mother: Any, z: float
    ) -> tuple[Any, Any]:
        solid = g4.G4Box(name, side, side, thick)
        content = g4.G4NistManager.Instance().FindOrBuildMaterial(material)
        logical = g4.G4LogicalVolume(solid, content, name)
        place = g4.G4ThreeVector(0, 0, z)
        placed = g4.G4PVPlacement(None, place, logical, name, mother, False, 0)
        self.keep += [solid, logical, placed]
        return logical, placed

    def ConstructSDandField(self) -> None:  # noqa: N802
        """Attach a sensor to each layer with cells."""
        manager = g4.G4SDManager.GetSDMpointer()
        for sensor, logical in zip(self.sensors, self.sensitive, strict=True):
            manager.AddNewDetector(sensor)
            logical.SetSensitiveDetector(sensor)
            if self.limit is not None:
                logical.SetUserLimits(self.limit)


class _Physics(g4.G4VModularPhysicsList):  # type: ignore[misc]
    """Electromagnetic processes that do without Rayleigh data, decays, and hadrons if wanted."""

    def __init__(self, with_hadrons: bool, with_limit: bool) -> None:
        super().__init__()
        self.RegisterPhysics(g4.G4EmStandardPhysics_option2())
        self.RegisterPhysics(g4.G4DecayPhysics())
        if with_limit:
            self.RegisterPhysics(g4.G4StepLimiterPhysics())
        if with_hadrons:
            self.RegisterPhysics(g4.G4HadronElasticPhysics())
            self.RegisterPhysics(g4.G4HadronPhysicsFTFP_BERT())
            self.RegisterPhysics(g4.G4StoppingPhysics())  # capture at rest of π⁻, μ⁻ and K⁻


class _Gun(g4.G4VUserPrimaryGeneratorAction):  # type: ignore[misc]
    """Shoots the particle that it was aimed with."""

    def __init__(self) -> None:
        super().__init__()
        self.gun = g4.G4ParticleGun(1)
        self.start: Callable[[int], None] = lambda index: None

    def aim(self, primaries: Primaries, index: int) -> None:
        """Set the next particle."""
        known = g4.G4ParticleTable.GetParticleTable()
        self.gun.SetParticleDefinition(known.FindParticle(primaries.name[index]))
        direction, vertex = primaries.direction[index], primaries.vertex[index]
        self.gun.SetParticleMomentumDirection(g4.G4ThreeVector(*map(float, direction)))
        self.gun.SetParticleEnergy(float(primaries.energy[index]) * g4.GeV)
        self.gun.SetParticlePosition(g4.G4ThreeVector(*map(float, vertex)))

    def GeneratePrimaries(self, event: Any) -> None:  # noqa: N802
        """Add the particle to the event."""
        self.start(event.GetEventID())
        self.gun.GeneratePrimaryVertex(event)


class _End(g4.G4UserEventAction):  # type: ignore[misc]
    """Calls a function with the index of each particle that has been simulated."""

    def __init__(self) -> None:
        super().__init__()
        self.end: Callable[[int], None] = lambda index: None

    def EndOfEventAction(self, event: Any) -> None:  # noqa: N802
        """Call it."""
        self.end(event.GetEventID())


class _Actions(g4.G4VUserActionInitialization):  # type: ignore[misc]
    gun: _Gun
    end: _End

    def Build(self) -> None:  # noqa: N802
        """Give Geant4 the source of particles and the end of each, which need the physics."""
        self.gun, self.end = _Gun(), _End()
        self.SetUserAction(self.gun)
        self.SetUserAction(self.end)
