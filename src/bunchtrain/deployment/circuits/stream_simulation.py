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
from bunchtrain.deployment.tools import VERILATOR, call, find_error
from bunchtrain.errors import ExportError

#: Number of images simulated again with gaps, probability of a gap in a cycle, and its seed.
GAPPED, GAP, SEED = 200, 0.3, 1


def simulate_stream(
    hardware: Hardware, folder: Path, images: NDArray[np.float64], expected: NDArray[np.float64]
) -> Simulation:
    """Simulate the Verilog for images and compare with the outputs of the network.

    All images follow each other without a gap; the first ones are simulated again with random gaps
    before their pixels, and their mismatches are added.

    images    (images, pixel, channel) in the formats of the port.
    expected  (images, outputs) in the formats of the port.

    Raises MissingDependency if Verilator is not installed and ExportError if it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    program = build(hardware, write_stream_bench(hardware, folder), folder)
    write_stream_vectors(hardware, folder, images, expected)
    found = _run(hardware, program, folder, images)
    first, outputs = images[:GAPPED], expected[:GAPPED]
    waits = np.random.default_rng(SEED).geometric(1 - GAP, first.shape[:2]) - 1
    write_stream_vectors(hardware, folder / "gaps", first, outputs, waits)
    again = _run(hardware, program, folder / "gaps", first)
    return replace(found, mismatches=found.mismatches + again.mismatches, gapped=len(first))


def _run(
    hardware: Hardware, program: Path, folder: Path, images: NDArray[np.float64]
) -> Simulation:
    output = call([str(program)], folder, VERILATOR.environment()).stdout
    counts = re.search(r"(\d+) images, (\d+) mismatches", output)
    if counts is None:
        raise ExportError(f"the simulation in '{folder}' did not finish: {find_error(output)}")
    count, mismatches = map(int, counts.groups())
    if count != len(images):
        raise ExportError(
            f"the circuit in '{folder}' read {len(images)} images and has outputs of {count}"
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
