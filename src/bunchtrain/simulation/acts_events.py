"""Events in a tracker by ACTS: hits, particles, tracks, Kalman states and vertices, with truth.

Collisions of Pythia at 14 TeV with pile-up from a pool, or a gun; ACTS' generic detector (pixels,
short and long strips) in a solenoid's field with Fatras, its fast simulation; Gaussian smearing of
the hits in the planes of the modules; seeds from triplets of pixel hits, the combinatorial Kalman
filter with smoothing, greedy ambiguity resolution, and the adaptive multi-vertex finder
(arXiv:2106.13593). Left out by Fatras here: hadronic interactions (pions and kaons scatter and lose
energy only), neutral particles; hits are not merged, there is no noise and no inefficiency.
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from functools import cached_property
from importlib.metadata import version
from pathlib import Path
from typing import ClassVar

import pyarrow.parquet as pq

from bunchtrain.child_processes import run_program
from bunchtrain.errors import MachineError, StudyError
from bunchtrain.parts.ranges import Sampled
from bunchtrain.simulation._child_sample import ChildSample
from bunchtrain.simulation._children import Program
from bunchtrain.simulation._sample import SampleOptions
from bunchtrain.simulation.acts.options import CollisionOptions, TrackerOptions
from bunchtrain.simulation.acts.tables import LAYOUT, STATES, WIDE_TRACKS, unit
from bunchtrain.tables.geometry import Geometry
from bunchtrain.tables.table import Table


class ActsEvents(ChildSample):
    """Events in ACTS' generic detector, with the tracks of its Kalman filter.

    Lengths in mm, momenta in GeV, times in ns, angles in rad. Columns:
    `collision_*`, the true collisions, of which the first is the hard one: x, y, z, time.
    `particle_*`, charged particles at their origin: pdg, charge, mass, energy, px, py, pz, x, y, z,
    time, d0, z0, collision (its index), primary (not made in the detector), hits (their number).
    `hit_*`: x, y, z as measured, true_x, true_y, true_z, true_time, loc0 and loc1 as measured in
    the plane of the module with variance0 and variance1 (their covariance is 0), volume, layer and
    surface (one number for each module), particle (index).
    `track_*`: d0, z0, phi, theta, qop (q/p) at the beam, covariance (the lower triangle of these
    five, row by row: 15 numbers), chi2, ndf, holes, outliers, hits (indices), particle (with most
    of the hits, or −1) and matched (its hits on the track).
    `vertex_*`, found vertices: x, y, z.
    With `wide_seeds`, `wide_track_*`: the same of a second search in the same hits, with seeds and
    tracks of lower pT and from further away from the beam.
    The modules travel with the events as the conditions `geometry`, by `surface`: volume, layer,
    module, x, y, z, width, height and thickness along x, y and z, the directions of the axes of
    loc0 and loc1: axis0_x, axis0_y, axis0_z, axis1_x, axis1_y, axis1_z, and the radiation_lengths
    of the module with its layer.
    With `states`, `state_*` has a row for each measurement on a track, from inside to outside:
    track and hit (indices), outlier, chi2, and for predicted, filtered and smoothed the parameters
    loc0, loc1, phi, theta, qop and their covariance as above.

    events      Number of events.
    states      Whether there are columns `state_*`.
    collisions  What collides, or what the gun shoots.
    tracker     Detector and track finding.
    options     Seed, processes, part, folder.

    Raises StudyError for settings that Pythia does not know and particles without a track, and
    MissingDependency if pyacts or pythia8mc is not installed.
    """

    name = "acts_events"
    version = 2  # hit_surface is one number for each module
    layout = LAYOUT
    libraries: ClassVar[tuple[str, ...]] = ("pyacts", "pythia8mc")
    modules: ClassVar[tuple[str, ...]] = ("acts", "pythia8mc")
    extra: ClassVar[str] = "acts"

    def __init__(
        self,
        *,
        events: Sampled = 1000,
        states: bool = False,
        collisions: CollisionOptions = CollisionOptions(),  # noqa: B008
        tracker: TrackerOptions = TrackerOptions(),  # noqa: B008
        options: SampleOptions = SampleOptions(part=100),  # noqa: B008
    ) -> None:
        collisions.check()
        if tracker.chi2_outlier < tracker.chi2_measurement:
            raise StudyError(f"{self.name}: chi2_outlier must not be below chi2_measurement")
        recipe = {"states": states, **collisions.recipe(), **tracker.recipe()}
        super().__init__(events, options, **recipe)

    @cached_property
    def conditions(self) -> Mapping[str, Table]:
        """The modules, written once into the folder of the samples."""
        super().check_maker()
        path = self.base / f"acts-geometry-{version('pyacts')}-material.parquet"
        if not path.exists():
            self._write_geometry(path)
        table = pq.read_table(path)
        columns = {name: table[name].to_numpy() for name in table.column_names}
        return {"geometry": Geometry(columns, "surface")}

    def _write_geometry(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        module = "bunchtrain.simulation.acts.geometry"
        done = run_program([sys.executable, "-m", module, str(path.absolute())], path.parent)
        if done.returncode:
            said = " / ".join(done.stderr.strip().splitlines()[-3:])[-300:]
            raise MachineError(f"the geometry of ACTS could not be written: {said}")

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        wide = WIDE_TRACKS if self.recipe.get("wide_seeds") else {}
        return LAYOUT | wide | (STATES if self.recipe["states"] else {})

    def units(self) -> dict[str, str]:
        """Return column → unit."""
        return {name: unit(name) for name in self.fields() if unit(name)}

    def check_maker(self) -> None:
        """Raise MissingDependency without the libraries, StudyError for an unknown setting."""
        super().check_maker()
        import pythia8mc

        pythia = pythia8mc.Pythia("", False)
        pythia.readString("Print:quiet = on")
        for number, line in enumerate(self.recipe["settings"]):
            if not pythia.readString(line):
                raise StudyError(f"settings.{number}: Pythia has no setting '{line}'")

    def program(self) -> Program:
        """Return what the children run."""
        return Program("bunchtrain.simulation.acts.child", "ACTS")
