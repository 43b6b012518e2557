"""A child process that simulates parts of a sample with Geant4; see `simulation._children`."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from bunchtrain.files import atomic_path
from bunchtrain.simulation._children import Say, serve
from bunchtrain.simulation.detectors.beam import draw_primaries, read_beam
from bunchtrain.simulation.detectors.hits import as_table
from bunchtrain.simulation.detectors.layers import Floats, Stack, from_plain
from bunchtrain.simulation.geant4.readouts import READOUTS, Readout
from bunchtrain.simulation.pythia.production import write_table


class Parts:
    """Makes the parts of a sample of showers.

    recipe  of the source, as plain data.
    say     writes a message to the parent process.
    """

    def __init__(self, recipe: Mapping[str, Any], say: Say) -> None:
        from bunchtrain.simulation.geant4.transport import Transport

        self.recipe, self.say = recipe, say
        self.beam = read_beam(recipe)
        self.stack = Stack(from_plain(recipe["layers"]), recipe["width"], recipe["apex"])
        self.transport = Transport(
            self.stack,
            self.beam,
            recipe["cut"],
            recipe["field"],
            recipe.get("step"),
            losses="birks" in recipe,
        )

    def write(self, index: int, path: Path) -> None:
        """Simulate a part and write it."""
        events, seed = int(self.recipe["part"]), [int(self.recipe["seed"]), index]
        primaries = draw_primaries(self.beam, events, np.random.default_rng(seed))
        count = len(primaries.event)
        seeds = np.random.SeedSequence(seed).generate_state(2 * count).reshape(-1, 2) >> 1
        steps_sum = np.zeros(count)
        readout: Readout = READOUTS[self.recipe["readout"]](self.stack, self.recipe, seed)

        def begin(particle: int) -> None:
            self.say(event=int(primaries.event[particle]))

        def finish(particle: int, steps: Floats) -> None:
            readout.add(particle, steps)
            steps_sum[particle] = steps[:, 4].sum() / 1000

        self.transport.run(primaries, seeds.astype(np.int64), finish, begin)
        columns = readout.columns(primaries, events, index * events)
        columns["deposited"] = np.bincount(primaries.event, steps_sum, events)
        with atomic_path(path) as temporary:
            write_table(as_table(columns, readout.layout), temporary)


if __name__ == "__main__":
    serve(sys.argv[1], Parts)
