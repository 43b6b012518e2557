"""What all simulated samples have in common: parts made once, named by all they depend on."""

from __future__ import annotations

import hashlib
import json
import os
from abc import abstractmethod
from collections.abc import Collection, Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, ClassVar

import awkward as ak
import pyarrow.parquet as pq

from bunchtrain.errors import DataError, StudyError, missing, nearest, one_of
from bunchtrain.files import cache_folder
from bunchtrain.simulation.pythia.production import MakePart, produce
from bunchtrain.tables.source import Source


class Sample(Source):
    """Simulated events in files of `part` events, made once and then read.

    The events depend on the recipe and on their number alone: a larger sample begins with the
    events of a smaller one, any number of processes makes the same events, and what was
    interrupted goes on with the parts that are missing.
    """

    #: The name of the source, which messages and the folder of the sample begin with.
    name: ClassVar[str]
    #: Column → awkward type as text.
    layout: ClassVar[dict[str, str]]
    #: Raised when a change of the code changes the events.
    version: ClassVar[int] = 1

    def __init__(
        self, count: int, processes: int | None, folder: str | None, **recipe: Any
    ) -> None:
        if count < 1 or recipe["part"] < 1:
            raise StudyError(f"{self.name}: the number of events and part must be at least 1")
        if recipe["seed"] < 0 or (processes is not None and processes < 1):
            raise StudyError(f"{self.name}: seed must be at least 0 and processes at least 1")
        self.count, self.processes = count, processes or os.cpu_count() or 1
        self.recipe = recipe
        self.base = cache_folder(folder) / "samples"

    @abstractmethod
    def maker(self) -> MakePart:
        """Return what makes a part from its number; imports the simulation."""

    def prepare(self) -> None:
        """Make the parts that are missing."""
        if all(path.exists() for path in self.parts()):
            return
        try:
            make = self.maker()
        except ModuleNotFoundError as absent:
            raise missing(str(absent.name), "generators", f"making {self.name}") from None
        produce(make, self.parts(), int(self.recipe["part"]), self.processes)

    def key(self) -> str:
        """Return a text that names the sample without its length: recipe and Pythia's version."""
        try:
            makers = [version("pythia8mc"), version("fastjet")]
        except PackageNotFoundError as absent:
            raise missing(str(absent.name), "generators", f"making {self.name}") from None
        text = json.dumps([self.version, self.recipe, makers], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:16]

    def parts(self) -> list[Path]:
        """Return the files of the sample, whether they are there or not."""
        folder = self.base / f"{self.name}-{self.key()}"
        number = -(-self.count // int(self.recipe["part"]))
        return [folder / f"part-{index:05d}.parquet" for index in range(number)]

    def fingerprint(self) -> str:
        """Return a text that changes whenever the content of the events could."""
        return f"{self.name}-{self.key()}-{self.count}"

    def fields(self) -> dict[str, str]:
        """Return column → awkward type as text."""
        return dict(self.layout)

    def chunks(self, columns: Collection[str], rows: int) -> Iterator[ak.Array]:
        """Yield all events in their order, at most `rows` at once.

        Raises DataError for an unknown column or a part that is not made yet.
        """
        for name in columns:
            if name not in self.layout:
                hint = nearest(name, self.layout) or f"; there are {one_of(self.layout)}"
                raise DataError(f"{self.name} has no column '{name}'{hint}")
        left = self.count
        for path in self.parts():
            if not path.exists():
                raise DataError(f"{path} is not made yet; prepare() makes it")
            for batch in pq.ParquetFile(path).iter_batches(min(rows, left), columns=list(columns)):
                yield ak.from_arrow(batch)[:left]
                left -= min(left, batch.num_rows)
                if left == 0:
                    return

    def check_window(self, low: str = "pt_min", high: str = "pt_max", least: float = 50.0) -> None:
        """Refuse a window that does not rise from `least` GeV; StudyError names both options."""
        first, last = self.recipe[low], self.recipe[high]
        if not least <= first < last:
            raise StudyError(
                f"{self.name}: {low} and {high} must rise from {least:g} GeV, "
                f"got {first:g} and {last:g}"
            )

    def check_jets(self, classes: int = 1) -> None:
        """Refuse a radius, a number of constituents or a part that makes no sense."""
        radius, part = self.recipe["radius"], self.recipe["part"]
        if not 0.1 <= radius <= 1.5:
            raise StudyError(f"{self.name}: radius must lie between 0.1 and 1.5, got {radius}")
        if self.recipe.get("constituents", 1) < 1:
            raise StudyError(f"{self.name}: constituents must be at least 1")
        if part % classes:
            multiple = "even" if classes == 2 else f"a multiple of {classes}"
            raise StudyError(f"{self.name}: part must be {multiple}, got {part}")
