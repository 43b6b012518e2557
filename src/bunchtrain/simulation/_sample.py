"""Base of simulated samples: parts in files, produced once and named by a hash of their recipe."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Collection, Iterator
from dataclasses import dataclass, fields
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

import awkward as ak
import pyarrow.parquet as pq

from bunchtrain.errors import DataError, StudyError, missing, nearest, one_of
from bunchtrain.files import cache_folder
from bunchtrain.parts import Options
from bunchtrain.parts.ranges import Momentum, PointCount, Radius, Sampled, Seed, WorkerCount
from bunchtrain.simulation.pythia.production import MakePart, produce_parts, write_part
from bunchtrain.tables.momentum_names import is_momentum
from bunchtrain.tables.table import Piece, Table, divide


@dataclass(frozen=True)
class SampleOptions(Options):
    """Options of every simulated sample.

    seed       of collisions and detector.
    processes  number of processes; all cores if unset.
    part       events in one file, which share a seed; a production resumes at a part.
    folder     parent folder of `samples/`; $BUNCHTRAIN_CACHE or ~/.cache/bunchtrain if unset.
    """

    seed: Seed = 1
    processes: WorkerCount | None = None
    part: Sampled = 1000
    folder: str | None = None

    def recipe(self) -> dict[str, Any]:
        """Return the options that the events depend on."""
        found = {}
        for f in fields(self):
            value = getattr(self, f.name)
            if f.name not in ("processes", "folder"):
                found[f.name] = float(value) if isinstance(f.default, float) else value
        return found


@dataclass(frozen=True)
class JetOptions(SampleOptions):
    """Options of samples of jets.

    pt_min        smallest jet pT in GeV.
    pt_max        largest jet pT in GeV.
    radius        radius R of the jets, and of their match to partons.
    constituents  largest number of constituents kept, the hardest.
    """

    pt_min: Momentum = 550.0
    pt_max: Momentum = 650.0
    radius: Radius = 0.8
    constituents: PointCount = 200


class Sample(Table):
    """Simulated events in files of `part` events, produced once and then read.

    The events depend only on the recipe and on their index: a larger sample begins with the events
    of a smaller one, any number of processes produces the same events, and an interrupted
    production resumes with the missing parts.
    """

    #: The name of the source, which messages and the folder of the sample begin with.
    name: ClassVar[str]
    #: Column → awkward type as text.
    layout: ClassVar[dict[str, str]]
    #: `module:Class` in `simulation`, whose instances make a part from its index.
    maker: ClassVar[str]
    #: Libraries of the simulation, whose versions are part of its key, and the extra that has them.
    libraries: ClassVar[tuple[str, ...]] = ("pythia8mc", "fastjet")
    extra: ClassVar[str] = "generators"
    #: Incremented when a change of the code changes the events.
    version: ClassVar[int] = 1

    def __init__(self, count: int, options: SampleOptions, **recipe: Any) -> None:
        processes = options.processes
        if count < 1 or options.part < 1:
            raise StudyError(f"{self.name}: the number of events and part must be at least 1")
        if options.seed < 0 or (processes is not None and processes < 1):
            raise StudyError(f"{self.name}: seed must be at least 0 and processes at least 1")
        self.count, self.processes = count, processes or os.cpu_count() or 1
        self.recipe = {**recipe, **options.recipe()}
        self.base = cache_folder(options.folder) / "samples"

    @property
    def is_prepared(self) -> bool:
        """Whether all parts have been produced."""
        return all(path.exists() for path in self.parts())

    def prepare(self) -> None:
        """Produce the missing parts."""
        if not self.is_prepared:
            make, part = self._maker(), int(self.recipe["part"])
            produce_parts(make, self.parts(), part, self.processes)

    def check_maker(self) -> None:
        """Raise MissingDependency if the libraries of the simulation are not installed."""
        self._maker()

    def produce(self, index: int) -> None:
        """Produce one part."""
        write_part(self._maker(), index, self.parts()[index])

    def _maker(self) -> MakePart:
        try:
            module, _, name = self.maker.partition(":")
            make = getattr(import_module(f"bunchtrain.simulation.{module}"), name)
        except ModuleNotFoundError as absent:
            raise missing(str(absent.name), self.extra, f"source '{self.name}'") from None
        found: MakePart = make(**self.recipe)
        return found

    def key(self) -> str:
        """Return a hash of everything but the length of the sample: recipe and versions."""
        try:
            makers = [version(library) for library in self.libraries]
        except PackageNotFoundError as absent:
            raise missing(str(absent.name), self.extra, f"source '{self.name}'") from None
        text = json.dumps([self.version, self.recipe, makers], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def parts(self) -> list[Path]:
        """Return the files of the sample, existing or not."""
        folder = self.base / f"{self.name}-{self.key()}"
        count = -(-self.count // int(self.recipe["part"]))
        return [folder / f"part-{index:05d}.parquet" for index in range(count)]

    def fingerprint(self) -> str:
        """Return a text that changes whenever the events could change."""
        return f"{self.name}-{self.key()}-{self.count}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return dict(self.layout)

    def units(self) -> dict[str, str]:
        """Return column → unit: momenta are in GeV, azimuths in rad."""
        momenta = {name: "GeV" for name in self.layout if is_momentum(name)}
        return momenta | {name: "rad" for name in self.layout if name.endswith("_phi")}

    def blocks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in their order, at most `rows` per chunk.

        Raises DataError for an unknown column or a part that does not exist yet.
        """
        for piece in self.pieces(rows):
            yield from self.blocks_of(piece, columns, rows)

    def pieces(self, rows: int) -> list[Piece]:
        """Return the parts, of which the last one may be longer than the sample."""
        part, count = int(self.recipe["part"]), len(self.parts())
        counts = [min(part, self.count - index * part) for index in range(count)]
        return divide(counts, [[0]] * count)

    def blocks_of(self, piece: Piece, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield the events of a part."""
        for name in columns:
            if name not in self.fields():
                hint = nearest(name, self.fields()) or f"; there are {one_of(self.fields())}"
                raise DataError(f"{self.name} has no column '{name}'{hint}")
        path, left = self.parts()[piece.file], piece.stop
        if not path.exists():
            raise DataError(f"{path} does not exist yet; prepare() produces it")
        for batch in pq.ParquetFile(path).iter_batches(min(rows, left), columns=list(columns)):
            yield ak.from_arrow(batch)[:left]
            left -= min(left, batch.num_rows)
            if left == 0:
                return

    def check_window(self, low: str = "pt_min", high: str = "pt_max", least: float = 50.0) -> None:
        """Raise StudyError, naming both options, unless a window rises from `least` GeV."""
        first, last = self.recipe[low], self.recipe[high]
        if not least <= first < last:
            raise StudyError(
                f"{self.name}: {low} and {high} must rise from {least:g} GeV, "
                f"got {first:g} and {last:g}"
            )

    def check_jets(self, classes: int = 1) -> None:
        """Raise StudyError if radius, constituents or part are out of range."""
        radius, part = self.recipe["radius"], self.recipe["part"]
        if not 0.1 <= radius <= 1.5:
            raise StudyError(f"{self.name}: radius must lie between 0.1 and 1.5, got {radius}")
        if self.recipe.get("constituents", 1) < 1:
            raise StudyError(f"{self.name}: constituents must be at least 1")
        if part % classes:
            multiple = "even" if classes == 2 else f"a multiple of {classes}"
            raise StudyError(f"{self.name}: part must be {multiple}, got {part}")
