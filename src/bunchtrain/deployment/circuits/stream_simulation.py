"""Simulation of a stream by Verilator: images pixel by pixel, back to back and with random gaps."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.hardware import Hardware
from bunchtrain.deployment.circuits.simulation import Simulation, build
from bunchtrain.deployment.circuits.stream_bench import write_stream_bench, write_stream_vectors
from bunchtrain.deployment.tools.tool import call, error
from bunchtrain.deployment.tools.verilator import VERILATOR
from bunchtrain.errors import ExportError

#: Images that go through a second time with gaps, how often a cycle is one, and the seed of it.
GAPPED, GAP, SEED = 200, 0.3, 1


def simulate_stream(
    hardware: Hardware,
    folder: Path,
    images: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> Simulation:
    """Run images through the Verilog and compare with what the network gives.

    All images come back to back, without a gap; the first ones come again with random gaps before
    their pixels, and any mismatch among them counts too.

    images    (images, pixel, channel) in the formats of the port.
    expected  (images, outputs) in the formats of the port.

    Raises MissingDependency if Verilator is not there and ExportError if it refuses the circuit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = build(hardware, write_stream_bench(hardware, folder), folder)
    write_stream_vectors(hardware, folder, images, expected)
    found = _run(hardware, program, folder, images, expected)
    some, wanted = images[:GAPPED], expected[:GAPPED]
    waits = np.random.default_rng(SEED).geometric(1 - GAP, some.shape[:2]) - 1
    write_stream_vectors(hardware, folder / "gaps", some, wanted, waits)
    again = _run(hardware, program, folder / "gaps", some, wanted)
    return replace(found, mismatches=found.mismatches + again.mismatches, gapped=len(some))


def _run(
    hardware: Hardware,
    program: Path,
    folder: Path,
    images: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> Simulation:
    printed = call([str(program)], folder, VERILATOR.environment()).stdout
    counts = re.search(r"(\d+) images, (\d+) mismatches", printed)
    if counts is None:
        raise ExportError(f"the simulation in '{folder}' did not finish: {error(printed)}")
    given, mismatches = map(int, counts.groups())
    if given != len(images):
        raise ExportError(
            f"{len(images)} images went into the circuit in '{folder}' and {given} came out of it"
        )
    lines = [line.split() for line in (folder / "outputs.hex").read_text("ascii").splitlines()]
    edges = np.array([int(edge) for edge, _ in lines])
    first = np.arange(len(images)) * images.shape[1]
    return Simulation(
        hardware.outputs.values([word for _, word in lines]),
        mismatches,
        int((edges - first).max()),
        f"Verilator {VERILATOR.version()}",
        int(np.diff(edges).max(initial=images.shape[1])),
    )
