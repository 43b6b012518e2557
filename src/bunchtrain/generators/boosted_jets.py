"""Boosted top and QCD jets, made with Pythia and FastJet as the top-tagging reference defines them.

Proton collisions at 14 TeV without multiple interactions and pile-up; hadronic top pairs and QCD
dijets; the leading anti-kT jet of each event with R = 0.8, 550 < pT < 650 GeV and |η| < 2; a top
and its three quarks within 0.8 of the axis of signal jets; the 200 hardest energy-flow objects
(arXiv:1902.09914, section 2). The detector response is parametric, after the ATLAS card of Delphes.
The jets are stand-ins for the published sample (doi:10.5281/zenodo.2603256), not that sample.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

import awkward as ak
import pyarrow.parquet as pq

from bunchtrain.columns.source import Source
from bunchtrain.errors import DataError, StudyError, missing, nearest, one_of
from bunchtrain.generators.simulation.layout import FIELDS
from bunchtrain.generators.simulation.production import produce

RECIPE = 1  # raise when a change of the code changes the jets


class BoostedJets(Source):
    """Boosted top and QCD jets from Pythia and FastJet with a parametric detector.

    They come in turn, event 0 a top, event 1 a QCD jet. The jets depend on the seed and on their
    number in the sample alone: a larger sample begins with the jets of a smaller one, and any
    number of processes makes the same jets.

    Args:
        jets: Number of jets, half of them tops.
        seed: Seed of collisions and detector.
        processes: Processes that make them; all cores if unset.
        detector: Whether constituents are energy-flow objects of a detector, else the visible
            particles that leave the collision.
        pt_min: Smallest jet pT in GeV.
        pt_max: Largest jet pT in GeV.
        radius: Radius R of the jets and of the match to the top and its quarks.
        constituents: Largest number of constituents kept, the hardest.
        part: Jets in one file, which share a seed, an even number; work is resumed in this unit.
        folder: Folder under which `samples/` lies; $BUNCHTRAIN_CACHE or ~/.cache/bunchtrain if
            unset.

    Raises:
        StudyError: An option is out of range.
        MissingDependency: The jets are not made yet and pythia8mc or fastjet is not installed.
    """

    def __init__(
        self,
        *,
        jets: int = 10_000,
        seed: int = 1,
        processes: int | None = None,
        detector: bool = True,
        pt_min: float = 550.0,
        pt_max: float = 650.0,
        radius: float = 0.8,
        constituents: int = 200,
        part: int = 1000,
        folder: str | None = None,
    ) -> None:
        for name, value in {"jets": jets, "constituents": constituents, "part": part}.items():
            if value < 1:
                raise StudyError(f"boosted_jets: {name} must be at least 1, got {value}")
        if part % 2:
            raise StudyError(f"boosted_jets: part must be even, got {part}")
        if not 50.0 <= pt_min < pt_max:
            raise StudyError(
                f"boosted_jets: pt_min and pt_max must rise from 50 GeV, got {pt_min} and {pt_max}"
            )
        if not 0.1 <= radius <= 1.5:
            raise StudyError(f"boosted_jets: radius must lie between 0.1 and 1.5, got {radius}")
        if seed < 0 or (processes is not None and processes < 1):
            raise StudyError("boosted_jets: seed must be at least 0 and processes at least 1")
        self.count, self.processes = jets, processes or os.cpu_count() or 1
        self.recipe = {
            "seed": seed,
            "detector": detector,
            "pt_min": float(pt_min),
            "pt_max": float(pt_max),
            "radius": float(radius),
            "constituents": constituents,
            "part": part,
        }
        cache = folder or os.environ.get("BUNCHTRAIN_CACHE") or "~/.cache/bunchtrain"
        self.base = Path(cache).expanduser() / "samples"

    def prepare(self) -> None:
        """Make the parts that are missing."""
        if all(path.exists() for path in self.parts()):
            return
        try:
            from bunchtrain.generators.simulation.boosted import Recipe
        except ModuleNotFoundError as absent:
            raise missing(str(absent.name), "generators", "making boosted jets") from None
        part = int(self.recipe["part"])
        produce(Recipe(**self.recipe), self.parts(), part, self.processes)  # type: ignore[arg-type]

    def key(self) -> str:
        """Return a text that names the sample without its length: recipe and Pythia's version."""
        try:
            makers = [version("pythia8mc"), version("fastjet")]
        except PackageNotFoundError as absent:
            raise missing(str(absent.name), "generators", "making boosted jets") from None
        text = json.dumps([RECIPE, self.recipe, makers], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def parts(self) -> list[Path]:
        """Return the files of the sample, whether they are there or not."""
        folder = self.base / f"boosted_jets-{self.key()}"
        number = -(-self.count // int(self.recipe["part"]))
        return [folder / f"part-{index:05d}.parquet" for index in range(number)]

    def fingerprint(self) -> str:
        """Return a text that changes whenever the content of the events could."""
        return f"boosted_jets-{self.key()}-{self.count}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return dict(FIELDS)

    def chunks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all jets in their order, at most `rows` at once.

        Raises DataError for an unknown column or a part that is not made yet.
        """
        for name in columns:
            if name not in FIELDS:
                hint = nearest(name, FIELDS) or f"; there are {one_of(FIELDS)}"
                raise DataError(f"boosted_jets has no column '{name}'{hint}")
        left = self.count
        for path in self.parts():
            if not path.exists():
                raise DataError(f"{path} is not made yet; prepare() makes it")
            for batch in pq.ParquetFile(path).iter_batches(min(rows, left), columns=list(columns)):
                yield ak.from_arrow(batch)[:left]
                left -= min(left, batch.num_rows)
                if left == 0:
                    return
