"""ACTS' sequence from particles to hits, tracks and vertices; imported in child processes only."""

from __future__ import annotations

import json
from array import array
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import acts
import acts.arrow
import acts.examples as examples
import acts.examples.arrow as tables
import numpy as np
from acts.examples import reconstruction, simulation
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_QUIET = acts.logging.WARNING
_UNIT = acts.UnitConstants
#: Option → volumes of the generic detector, whose digitisation is not part of ACTS' package.
VOLUMES = {
    "pixel_resolution": (7, 8, 9),
    "short_strip_resolution": (12, 13, 14),
    "long_strip_resolution": (16, 17, 18),
}
ARROW_TABLES = ("particles_table", "hits_table", "tracks_table")
#: Row and column of the lower triangle of a covariance of d0 or loc0, z0 or loc1, φ, θ, q/p.
TRIANGLE = np.tril_indices(5)
_PAIRS = [(int(i), int(j)) for i, j in zip(*TRIANGLE, strict=True)]
STATE_KINDS = ("predicted", "filtered", "smoothed")
_COVARIANCES = tuple(f"{kind}Covariance" for kind in STATE_KINDS)


@dataclass
class Taken:
    """What a part has given, one entry for each event.

    arrow   name of a table → tables of one row.
    tracks  parameters (tracks, 6), covariance (tracks, 6, 6), chi2, ndf, nMeasurements, nHoles,
            nOutliers (tracks,).
    states  rows of the states on the tracks, see `read_states`.
    """

    arrow: dict[str, list[Any]] = field(default_factory=lambda: {n: [] for n in ARROW_TABLES})
    tracks: list[dict[str, NDArray[Any]]] = field(default_factory=list)
    states: list[Floats] = field(default_factory=list)


class Chain:
    """ACTS' generic detector with simulation and reconstruction.

    recipe  of the source, as plain data.
    folder  for the files of the configuration.
    """

    def __init__(self, recipe: Mapping[str, Any], folder: Path) -> None:
        self.recipe, self.folder = recipe, folder
        self.detector = examples.GenericDetector()
        self.geometry = self.detector.trackingGeometry()
        self.magnet = acts.ConstantBField(acts.Vector3(0, 0, recipe["field"] * _UNIT.T))
        self.smearing, self.seeds = folder / "digitisation.json", folder / "seeding.json"
        self.smearing.write_text(json.dumps(digitisation(recipe)), encoding="utf-8")
        pixels = [{"volume": volume} for volume in VOLUMES["pixel_resolution"]]
        self.seeds.write_text(json.dumps(pixels), encoding="utf-8")

    def run(self, folder: Path, events: int, seed: int) -> Taken:
        """Simulate and reconstruct the events whose particles are in CSV files of a folder.

        Measurements and vertices are written into the same folder.
        """
        sequence = examples.Sequencer(
            events=events, numThreads=1, logLevel=acts.logging.ERROR, trackFpes=False
        )
        random = examples.RandomNumbers(seed=seed)
        sequence.addReader(
            examples.CsvParticleReader(
                level=_QUIET,
                inputDir=str(folder),
                inputStem="generated",
                outputParticles="particles_generated",
            )
        )
        for alias in ("particles", "particles_generated_selected"):
            sequence.addWhiteboardAlias(alias, "particles_generated")
        simulation.addFatras(sequence, self.geometry, self.magnet, rnd=random)
        simulation.addDigitization(
            sequence, self.geometry, self.magnet, digiConfigFile=self.smearing, rnd=random
        )
        least = int(self.recipe["track_measurements"])
        chosen = simulation.ParticleSelectorConfig(
            pt=(self.recipe["track_pt_min"] * _UNIT.GeV, None),
            measurements=(least, None),
            removeNeutral=True,
        )
        simulation.addDigiParticleSelection(sequence, chosen)
        self._find_tracks(sequence)
        self._find_vertices(sequence, folder)
        taken = Taken()
        self._write(sequence, folder, taken)
        sequence.run()
        return taken

    def _find_tracks(self, sequence: Any) -> None:
        """Add seeding, combinatorial Kalman filter and ambiguity resolution."""
        recipe = self.recipe
        reconstruction.addSeeding(
            sequence,
            self.geometry,
            self.magnet,
            geoSelectionConfigFile=self.seeds,
            seedFinderConfigArg=reconstruction.SeedFinderConfigArg(
                r=(None, 200),
                deltaR=(1, recipe["seed_delta_r"]),
                collisionRegion=(-recipe["seed_z_max"], recipe["seed_z_max"]),
                z=(-2000, 2000),
                maxSeedsPerSpM=recipe["seed_partners"],
                sigmaScattering=recipe["seed_scattering"],
                radLengthPerSeed=0.1,
                minPt=recipe["seed_pt_min"] * _UNIT.GeV,
                impactMax=recipe["seed_impact_max"],
            ),
            seedFinderOptionsArg=reconstruction.SeedFinderOptionsArg(
                bFieldInZ=recipe["field"] * _UNIT.T, beamPos=(0.0, 0.0)
            ),
            initialSigmas=[1, 1, _UNIT.degree, _UNIT.degree, 0, _UNIT.ns],
            initialSigmaQoverPt=0.1 / _UNIT.GeV,
            initialSigmaPtRel=0.1,
            initialVarInflation=[1.0] * 6,
        )
        files = {"writePerformance": False, "writeTrackSummary": False}
        reconstruction.addCKFTracks(
            sequence,
            self.geometry,
            self.magnet,
            reconstruction.TrackSelectorConfig(
                pt=(recipe["track_pt_min"] * _UNIT.GeV, None),
                loc0=(-recipe["track_d0_max"], recipe["track_d0_max"]),
                nMeasurementsMin=recipe["track_measurements"],
                maxHoles=recipe["track_holes"],
                maxOutliers=recipe["track_outliers"],
            ),
            reconstruction.CkfConfig(
                chi2CutOffMeasurement=recipe["chi2_measurement"],
                chi2CutOffOutlier=recipe["chi2_outlier"],
                numMeasurementsCutOff=recipe["branches"],
                seedDeduplication=True,
                stayOnSeed=True,
            ),
            **files,
        )
        resolution = reconstruction.AmbiguityResolutionConfig(
            maximumSharedHits=recipe["shared_hits"], nMeasurementsMin=recipe["track_measurements"]
        )
        reconstruction.addAmbiguityResolution(sequence, resolution, **files)

    def _find_vertices(self, sequence: Any, folder: Path) -> None:
        """Add the parameters of the tracks and the vertex finder."""
        sequence.addAlgorithm(
            examples.TracksToParameters(
                level=_QUIET, inputTracks="tracks", outputTrackParameters="parameters"
            )
        )
        self.add_vertex_finder(sequence, folder, "vertices", self.recipe)

    def add_vertex_finder(
        self, sequence: Any, folder: Path, name: str, options: Mapping[str, Any]
    ) -> None:
        """Add an adaptive multi-vertex finder whose vertices are written to files of this name.

        options  `vertex_window`, `vertex_significance` and `vertex_merge`.
        """
        sequence.addAlgorithm(
            examples.AdaptiveMultiVertexFinderAlgorithm(
                level=_QUIET,
                inputTrackParameters="parameters",
                outputProtoVertices=f"tracks_of_{name}",
                outputVertices=name,
                bField=self.magnet,
                seedFinder=examples.VertexSeedFinder.GaussianSeeder,
                tracksMaxZinterval=options["vertex_window"],
                tracksMaxSignificance=options["vertex_significance"],
                maxMergeVertexSignificance=options["vertex_merge"],
            )
        )
        sequence.addWriter(
            examples.CsvVertexWriter(
                level=_QUIET, inputVertices=name, outputDir=str(folder), outputStem=name
            )
        )

    def _write(self, sequence: Any, folder: Path, taken: Taken) -> None:
        """Add what turns containers into tables, without a loop over them."""
        simulated = {"level": _QUIET, "inputParticles": "particles_simulated"}
        names = dict(zip(("particles", "hits", "tracks"), ARROW_TABLES, strict=True))
        sequence.addAlgorithm(
            tables.ArrowParticleOutputConverter(**simulated, outputTable=names["particles"])
        )
        sequence.addAlgorithm(
            tables.ArrowSimHitOutputConverter(
                **simulated,
                inputSimHits="simhits",
                inputSimHitMeasurementsMap="simhit_measurements_map",
                inputClusters="clusters",
                outputTable=names["hits"],
            )
        )
        sequence.addAlgorithm(
            tables.ArrowTrackOutputConverter(
                **simulated,
                inputTracks="tracks",
                inputTrackParticleMatching="track_particle_matching",
                inputMeasurementSimHitsMap="measurement_simhits_map",
                outputTable=names["tracks"],
            )
        )
        sequence.addAlgorithm(_Tap(taken, bool(self.recipe["states"])))
        sequence.addWriter(
            examples.CsvMeasurementWriter(
                level=_QUIET,
                inputMeasurements="measurements",
                inputClusters="clusters",
                inputMeasurementSimHitsMap="measurement_simhits_map",
                outputDir=str(folder),
            )
        )


class _Tap(examples.IAlgorithm):  # type: ignore[misc]
    """Keeps the tables and the arrays of the tracks of each event."""

    def __init__(self, taken: Taken, with_states: bool) -> None:
        examples.IAlgorithm.__init__(self, "Tap", _QUIET)
        self.taken, self.with_states = taken, with_states
        kinds = dict.fromkeys(ARROW_TABLES, acts.arrow.ArrowTable)
        kinds["tracks"] = examples.ConstTrackContainer
        self.handles = {}
        for name, kind in kinds.items():
            self.handles[name] = examples.ReadDataHandle(self, kind, name)
            self.handles[name].initialize(name)

    def execute(self, context: Any) -> Any:
        """Keep what an event has."""
        store = context.eventStore
        for name in ARROW_TABLES:
            self.taken.arrow[name].append(self.handles[name](store).as_table())
        tracks = self.handles["tracks"](store)
        names = ("parameters", "covariance", "chi2", "ndf", "nMeasurements", "nHoles", "nOutliers")
        self.taken.tracks.append({name: np.array(getattr(tracks, name)) for name in names})
        if self.with_states:
            self.taken.states.append(read_states(tracks))
        return examples.ProcessCode.SUCCESS


def read_states(tracks: Any) -> Floats:
    """Return the states with a measurement of the tracks of an event, from inside to outside.

    The package has no arrays of states, so that this is a loop; its vectors are read by their
    buffers, its matrices by elements, which is all that they have. Each row has: track,
    measurement, whether it is an outlier, its χ²; for predicted, filtered and smoothed the
    parameters loc0, loc1 in mm, φ, θ in rad and q/p in 1/GeV, then the lower triangles of their
    covariances.
    """
    found = array("d")
    for number, track in enumerate(tracks):
        states = [s for s in track.trackStatesReversed if s.hasCalibrated and s.hasSmoothed]
        for state in reversed(states):
            link = examples.IndexSourceLink.fromSourceLink(state.uncalibratedSourceLink)
            found.extend((number, link.index(), state.typeFlags.isOutlier, state.chi2))
            for kind in STATE_KINDS:
                found.extend(memoryview(getattr(state, kind)).tolist()[:5])
            for matrix in _COVARIANCES:
                found.extend(map(getattr(state, matrix).__getitem__, _PAIRS))
    return np.array(found).reshape(-1, 4 + 3 * (5 + len(_PAIRS)))


def digitisation(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return ACTS' configuration of Gaussian smearing along both local axes, for each volume."""
    entries = []
    for option, volumes in VOLUMES.items():
        smearing = [
            {"index": axis, "type": "Gauss", "mean": 0.0, "stddev": sigma}
            for axis, sigma in enumerate(recipe[option])
        ]
        entries += [{"volume": volume, "value": {"smearing": smearing}} for volume in volumes]
    head = {"format-version": 0, "value-identifier": "digitization-configuration"}
    return {"acts-geometry-hierarchy-map": head, "entries": entries}
