"""ACTS' sequence from particles to hits, tracks and vertices; imported in child processes only."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import acts
import acts.examples as examples
import acts.examples.arrow as tables
from acts.examples import reconstruction, simulation

from bunchtrain.simulation.acts.tap import ARROW_TABLES, QUIET, WIDE, WIDE_TABLE, Taken, Tap

_UNIT = acts.UnitConstants
#: Option → volumes of the generic detector, whose digitisation is not part of ACTS' package.
VOLUMES = {
    "pixel_resolution": (7, 8, 9),
    "short_strip_resolution": (12, 13, 14),
    "long_strip_resolution": (16, 17, 18),
}


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

    def sequence(self, events: int) -> Any:
        """Return an empty sequence of algorithms."""
        return examples.Sequencer(
            events=events, numThreads=1, logLevel=acts.logging.ERROR, trackFpes=False
        )

    def run(self, folder: Path, events: int, seed: int) -> Taken:
        """Simulate and reconstruct the events whose particles are in CSV files of a folder.

        Measurements and vertices are written into the same folder.
        """
        sequence = self.sequence(events)
        random = examples.RandomNumbers(seed=seed)
        sequence.addReader(
            examples.CsvParticleReader(
                level=QUIET,
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
        if self.recipe.get("wide_seeds"):  # first, as the aliases of the last search are kept
            sequence.addWhiteboardAlias(f"{WIDE}measurement_subset", "measurement_subset")
            self._find_tracks(sequence, wide(self.recipe), WIDE)
        self._find_tracks(sequence, self.recipe)
        self._find_vertices(sequence, folder)
        taken = Taken()
        self._write(sequence, folder, taken)
        sequence.run()
        return taken

    def _find_tracks(self, sequence: Any, recipe: Mapping[str, Any], prefix: str = "") -> None:
        """Add seeding, combinatorial Kalman filter and ambiguity resolution.

        prefix  of the names of what they give.
        """
        reconstruction.addSeeding(
            sequence,
            self.geometry,
            self.magnet,
            geoSelectionConfigFile=self.seeds,
            seedFinderConfigArg=_seed_cuts(recipe),
            seedFinderOptionsArg=reconstruction.SeedFinderOptionsArg(
                bFieldInZ=recipe["field"] * _UNIT.T, beamPos=(0.0, 0.0)
            ),
            initialSigmas=[1, 1, _UNIT.degree, _UNIT.degree, 0, _UNIT.ns],
            initialSigmaQoverPt=0.1 / _UNIT.GeV,
            initialSigmaPtRel=0.1,
            initialVarInflation=[1.0] * 6,
            prefix=prefix,
        )
        files = {"writePerformance": False, "writeTrackSummary": False}
        reconstruction.addCKFTracks(
            sequence,
            self.geometry,
            self.magnet,
            _track_cuts(recipe),
            reconstruction.CkfConfig(
                chi2CutOffMeasurement=recipe["chi2_measurement"],
                chi2CutOffOutlier=recipe["chi2_outlier"],
                numMeasurementsCutOff=recipe["branches"],
                seedDeduplication=True,
                stayOnSeed=True,
            ),
            prefix=prefix,
            **files,
        )
        resolution = reconstruction.AmbiguityResolutionConfig(
            maximumSharedHits=recipe["shared_hits"], nMeasurementsMin=recipe["track_measurements"]
        )
        reconstruction.addAmbiguityResolution(sequence, resolution, prefix=prefix, **files)

    def _find_vertices(self, sequence: Any, folder: Path) -> None:
        """Add the parameters of the tracks and the vertex finder."""
        sequence.addAlgorithm(
            examples.TracksToParameters(
                level=QUIET, inputTracks="tracks", outputTrackParameters="parameters"
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
                level=QUIET,
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
                level=QUIET, inputVertices=name, outputDir=str(folder), outputStem=name
            )
        )

    def _write(self, sequence: Any, folder: Path, taken: Taken) -> None:
        """Add what turns containers into tables, without a loop over them."""
        simulated = {"level": QUIET, "inputParticles": "particles_simulated"}
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
        is_wide = bool(self.recipe.get("wide_seeds"))
        for prefix, table in [("", names["tracks"]), (WIDE, WIDE_TABLE)][: 1 + is_wide]:
            sequence.addAlgorithm(
                tables.ArrowTrackOutputConverter(
                    **simulated,
                    inputTracks=f"{prefix}tracks",
                    inputTrackParticleMatching=f"{prefix}ambi_track_particle_matching",
                    inputMeasurementSimHitsMap="measurement_simhits_map",
                    outputTable=table,
                )
            )
        sequence.addAlgorithm(Tap(taken, bool(self.recipe["states"]), is_wide))
        sequence.addWriter(
            examples.CsvMeasurementWriter(
                level=QUIET,
                inputMeasurements="measurements",
                inputClusters="clusters",
                inputMeasurementSimHitsMap="measurement_simhits_map",
                outputDir=str(folder),
            )
        )


def wide(recipe: Mapping[str, Any]) -> dict[str, Any]:
    """Return the recipe of the second search for tracks, with the wider cuts."""
    found = {f"{kind}_pt_min": recipe["wide_pt_min"] for kind in ("seed", "track")}
    found |= dict.fromkeys(("seed_impact_max", "track_d0_max"), recipe["wide_impact_max"])
    found["seed_partners"] = recipe.get("wide_partners", recipe["seed_partners"])
    return {**recipe, **found}


def _seed_cuts(recipe: Mapping[str, Any]) -> Any:
    return reconstruction.SeedFinderConfigArg(
        r=(None, 200),
        deltaR=(1, recipe["seed_delta_r"]),
        collisionRegion=(-recipe["seed_z_max"], recipe["seed_z_max"]),
        z=(-2000, 2000),
        maxSeedsPerSpM=recipe["seed_partners"],
        sigmaScattering=recipe["seed_scattering"],
        radLengthPerSeed=0.1,
        minPt=recipe["seed_pt_min"] * _UNIT.GeV,
        impactMax=recipe["seed_impact_max"],
    )


def _track_cuts(recipe: Mapping[str, Any]) -> Any:
    return reconstruction.TrackSelectorConfig(
        pt=(recipe["track_pt_min"] * _UNIT.GeV, None),
        loc0=(-recipe["track_d0_max"], recipe["track_d0_max"]),
        nMeasurementsMin=recipe["track_measurements"],
        maxHoles=recipe["track_holes"],
        maxOutliers=recipe["track_outliers"],
    )


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
