"""A child process that makes parts of a sample with ACTS; see `simulation._children`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import awkward as ak
import numpy as np

from bunchtrain.files import atomic_path
from bunchtrain.simulation._children import Say, serve
from bunchtrain.simulation.acts.collisions import Collisions
from bunchtrain.simulation.acts.tables import (
    LAYOUT,
    STATES,
    WIDE_TRACKS,
    event_columns,
    state_columns,
    write_particles,
)
from bunchtrain.simulation.detectors.hits import as_table
from bunchtrain.simulation.pythia.production import write_table


class Parts:
    """Makes the parts of a sample of tracker events.

    recipe  of the source, as plain data.
    say     writes a message to the parent process.
    """

    def __init__(self, recipe: Mapping[str, Any], say: Say) -> None:
        from bunchtrain.simulation.acts.reconstruction import Chain

        self.recipe = recipe
        self.collisions = Collisions(recipe)
        self.files = TemporaryDirectory()
        self.chain = Chain(recipe, Path(self.files.name))

    def write(self, index: int, path: Path) -> None:
        """Simulate a part and write it."""
        events = int(self.recipe["part"])
        particles, columns = self.collisions.part(index)
        seed = np.random.SeedSequence([int(self.recipe["seed"]), index]).generate_state(1)[0]
        with TemporaryDirectory(dir=self.files.name) as name:
            folder = Path(name)
            write_particles(particles, events, folder)
            taken = self.chain.run(folder, events, int(seed))
            field = self.recipe["field"]
            columns |= event_columns(taken.arrow, taken.tracks, folder, field, taken.wide)
        layout = LAYOUT
        if self.recipe.get("wide_seeds"):
            layout = layout | WIDE_TRACKS
        if self.recipe["states"]:
            columns, layout = columns | state_columns(taken.states), layout | STATES
        columns["event_id"] = ak.Array(index * events + np.arange(events))
        with atomic_path(path) as temporary:
            write_table(as_table(columns, layout), temporary)


if __name__ == "__main__":
    serve(sys.argv[1], Parts)
