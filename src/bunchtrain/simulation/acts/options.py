"""Options of events in a tracker: collisions, detector, seeding and track finding."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Annotated, Any, Literal

from pydantic import AfterValidator, Field

from bunchtrain.errors import StudyError, nearest, one_of
from bunchtrain.parts import Options
from bunchtrain.parts.ranges import NUMBER, PointCount
from bunchtrain.simulation.acts.collisions import MASSES
from bunchtrain.simulation.detectors.beam import PARTICLES, Names

Process = Literal["ttbar", "hadronic_ttbar", "dijets", "z_to_muons", "minimum_bias", "gun"]
#: Mean number of collisions beside the hard one.
PileUp = Annotated[float, Field(ge=0, le=400), NUMBER]
#: Its smallest and largest value.
PileUps = Annotated[tuple[PileUp, ...], Field(min_length=2, max_length=2)]
#: Width of the region of the collisions in mm.
Spread = Annotated[float, Field(ge=0, le=250), NUMBER]
#: Transverse momentum in GeV that makes a track.
TrackMomentum = Annotated[float, Field(ge=0.05, le=1000), NUMBER]
Rapidity = Annotated[float, Field(gt=0, le=4), NUMBER]
#: Length in mm within a tracker.
Millimetres = Annotated[float, Field(gt=0, le=2000), NUMBER]
#: Resolution along the two axes of a module in mm.
Resolution = Annotated[
    tuple[Annotated[float, Field(ge=1e-4, le=10), NUMBER], ...], Field(min_length=2, max_length=2)
]
Tracks = Annotated[int, Field(ge=1, le=20), NUMBER]
Lost = Annotated[int, Field(ge=0, le=20), NUMBER]
Measurements = Annotated[int, Field(ge=3, le=20), NUMBER]
ChiSquare = Annotated[float, Field(gt=0, le=1e4), NUMBER]
Multiple = Annotated[float, Field(ge=0.1, le=100), NUMBER]
Setting = Annotated[str, Field(max_length=200)]


def _rising(values: tuple[float, ...]) -> tuple[float, ...]:
    if values[0] > values[-1]:
        raise ValueError(f"{values[-1]:g} follows {values[0]:g}; give the smaller one first")
    return values


_Window = Field(min_length=1, max_length=2)
Momenta = Annotated[tuple[TrackMomentum, ...], _Window, AfterValidator(_rising)]
_Signed = Annotated[float, Field(ge=-4, le=4), NUMBER]
Rapidities = Annotated[tuple[_Signed, ...], _Window, AfterValidator(_rising)]


@dataclass(frozen=True)
class CollisionOptions(Options):
    """What collides, and which particles are followed.

    process        of Pythia at 14 TeV, or particles from the middle: gun.
    settings       further lines for Pythia.
    pile_up        mean number of soft inelastic collisions beside the hard one, or its smallest
                   and largest value; it is then uniform between them.
    pool           number of different soft collisions.
    beam_length    standard deviation of the place of collisions along the beam in mm, and of
                   their time, times c.
    beam_width     the same across the beam in mm.
    pt_min         smallest pT in GeV of charged particles that are followed.
    eta_max        largest |η| of these.
    gun_particles  names in Geant4, each equally probable.
    gun_pt         pT in GeV, or its smallest and largest value; its logarithm is uniform.
    gun_eta        η, or its smallest and largest value.
    gun_count      particles in an event.
    """

    process: Process = "ttbar"
    settings: Annotated[tuple[Setting, ...], Field(max_length=100)] = ()
    pile_up: PileUp | PileUps = 0.0
    pool: PointCount = 400
    beam_length: Spread = 50.0
    beam_width: Spread = 0.0
    pt_min: TrackMomentum = 0.15
    eta_max: Rapidity = 3.0
    gun_particles: Names = ("mu-", "mu+")
    gun_pt: Momenta = (0.5, 10.0)
    gun_eta: Rapidities = (-2.5, 2.5)
    gun_count: PointCount = 10

    def recipe(self) -> dict[str, Any]:
        """Return the options as plain data."""
        return _plain(self)

    def check(self) -> None:
        """Raise StudyError for a particle that leaves no track, or a falling range of pile-up."""
        if isinstance(self.pile_up, tuple) and self.pile_up[0] > self.pile_up[1]:
            raise StudyError("pile_up: give the smaller mean first")
        known = [name for name, number in PARTICLES.items() if abs(number) in MASSES]
        for name in self.gun_particles:
            if name not in known:
                hint = nearest(name, known) or f"; there are {one_of(known)}"
                raise StudyError(f"gun_particles: no track of '{name[:60]}' is simulated{hint}")


@dataclass(frozen=True)
class TrackerOptions(Options):
    """The detector, seeding, combinatorial Kalman filter and ambiguity resolution.

    field                   along the beam in tesla.
    pixel_resolution        of pixels along both axes of a module in mm.
    short_strip_resolution  of short strips, across and along them, in mm.
    long_strip_resolution   of long strips, across and along them, in mm.
    seed_pt_min             smallest pT of seeds in GeV.
    seed_impact_max         largest distance of a seed to the beam in mm.
    seed_z_max              largest |z| of the origin of a seed in mm.
    seed_delta_r            largest difference of the radii of neighbouring hits of a seed in mm.
    seed_partners           seeds with the same middle hit, less one.
    seed_scattering         angle of multiple scattering that is allowed, in standard deviations.
    track_pt_min            smallest pT of tracks in GeV.
    track_d0_max            largest distance of tracks to the beam in mm.
    track_measurements      smallest number of measurements of a track.
    track_holes             largest number of modules without a measurement.
    track_outliers          largest number of measurements that are far from the track.
    chi2_measurement        largest χ² of a measurement that is taken.
    chi2_outlier            largest χ² of an outlier.
    branches                measurements of a module that are tried.
    shared_hits             largest number of hits shared with better tracks.
    wide_seeds              whether tracks are searched for a second time with wider cuts, in the
                            same measurements; all other options are the same.
    wide_pt_min             smallest pT in GeV of the seeds and tracks of the second search.
    wide_impact_max         largest distance of these to the beam in mm.
    wide_partners           seeds with the same middle hit, less one, of the second search; as
                            `seed_partners` if unset.
    vertex_window           largest distance in mm along the beam of a track to the vertex that it
                            is fitted to; tracks that are left over make vertices of their own.
    vertex_significance     largest distance of a track to a vertex that it is assigned to, in
                            standard deviations.
    vertex_merge            distance of two vertices in standard deviations below which one of them
                            is removed.
    """

    field: Annotated[float, Field(ge=0.1, le=10), NUMBER] = 2.0
    pixel_resolution: Resolution = (0.0144, 0.0144)
    short_strip_resolution: Resolution = (0.0231, 0.346)
    long_strip_resolution: Resolution = (0.0346, 3.12)
    seed_pt_min: TrackMomentum = 0.5
    seed_impact_max: Millimetres = 3.0
    seed_z_max: Millimetres = 250.0
    seed_delta_r: Millimetres = 300.0
    seed_partners: Tracks = 1
    seed_scattering: Multiple = 5.0
    track_pt_min: TrackMomentum = 0.5
    track_d0_max: Millimetres = 4.0
    track_measurements: Measurements = 7
    track_holes: Lost = 2
    track_outliers: Lost = 2
    chi2_measurement: ChiSquare = 15.0
    chi2_outlier: ChiSquare = 25.0
    branches: Tracks = 10
    shared_hits: Lost = 3
    wide_seeds: bool = False
    wide_pt_min: TrackMomentum = 0.25
    wide_impact_max: Millimetres = 60.0
    wide_partners: Tracks | None = None
    vertex_window: Millimetres = 2.0
    vertex_significance: Multiple = 3.0
    vertex_merge: Multiple = 5.0

    def recipe(self) -> dict[str, Any]:
        """Return the options that the events depend on as plain data."""
        given = {n: v for n, v in _plain(self).items() if v is not None}
        return {n: v for n, v in given.items() if self.wide_seeds or n[:5] != "wide_"}


def _plain(options: Any) -> dict[str, Any]:
    return {n: list(v) if isinstance(v, tuple) else v for n, v in asdict(options).items()}
