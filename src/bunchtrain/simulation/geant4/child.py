"""A child process that simulates parts of a sample with Geant4.

Its first argument is a JSON file with the recipe. It reads lines `INDEX PATH` from the standard
input and writes JSON lines to the standard output: `{"particle": k}` before each particle and
`{"done": INDEX}` when a part is in its file. What Geant4 prints goes to the standard error.
"""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any, TextIO

import numpy as np

from bunchtrain.files import atomic_path
from bunchtrain.simulation.detectors.beam import draw_primaries, read_beam
from bunchtrain.simulation.detectors.hits import as_table
from bunchtrain.simulation.detectors.layers import Floats, Stack, from_plain
from bunchtrain.simulation.geant4.readouts import READOUTS, Readout
from bunchtrain.simulation.pythia.production import write_table


class Parts:
    """Makes the parts of a sample of showers.

    recipe    of the source, as plain data.
    messages  lines to the parent process.
    """

    def __init__(self, recipe: Mapping[str, Any], messages: TextIO) -> None:
        from bunchtrain.simulation.geant4.transport import Transport

        self.recipe, self.messages = recipe, messages
        self.beam = read_beam(recipe)
        self.stack = Stack(from_plain(recipe["layers"]), recipe["width"], recipe["apex"])
        self.transport = Transport(
            self.stack, self.beam, recipe["cut"], recipe["field"], recipe.get("step")
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
            self._say(particle=particle, event=int(primaries.event[particle]))

        def finish(particle: int, steps: Floats) -> None:
            readout.add(particle, steps)
            steps_sum[particle] = steps[:, 4].sum() / 1000

        self.transport.run(primaries, seeds.astype(np.int64), finish, begin)
        columns = readout.columns(primaries, events, index * events)
        columns["deposited"] = np.bincount(primaries.event, steps_sum, events)
        with atomic_path(path) as temporary:
            write_table(as_table(columns, readout.layout), temporary)
        self._say(done=index)

    def _say(self, **message: int) -> None:
        self.messages.write(json.dumps(message) + "\n")
        self.messages.flush()


def main(file: str) -> None:
    """Make the parts of the lines of the standard input, until it ends."""
    messages = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # Geant4 prints to the standard output
    parts = Parts(json.loads(Path(file).read_text(encoding="utf-8")), messages)
    for line in sys.stdin:
        index, _, path = line.rstrip("\n").partition(" ")
        parts.write(int(index), Path(path))


if __name__ == "__main__":
    main(sys.argv[1])
