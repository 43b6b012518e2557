"""Simulation of the gates by Verilator: every event through the Verilog, one a clock cycle."""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.bench import BENCH, write_bench, write_vectors
from bunchtrain.deployment.circuits.hardware import Hardware
from bunchtrain.deployment.tools.tool import call, error
from bunchtrain.deployment.tools.verilator import VERILATOR
from bunchtrain.errors import ExportError


@dataclass(frozen=True)
class Simulation:
    """What the gates gave.

    outputs     (events, outputs).
    mismatches  events of which any output differs from what was expected, by the test bench.
    latency     cycles from the edge that takes an event to the one that gives its outputs, found
                as the only shift at which the stream of outputs is what was expected; None if
                there is no such shift.
    tool        name and version of the simulator.
    """

    outputs: NDArray[np.float64]
    mismatches: int
    latency: int | None
    tool: str


def simulate(
    hardware: Hardware,
    folder: Path,
    inputs: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> Simulation:
    """Run events through the Verilog and compare with what the network gives.

    inputs    (events, inputs) in the formats of the port.
    expected  (events, outputs) in the formats of the port.

    Test bench, words and the simulator's build stay in the folder. Raises MissingDependency if
    Verilator is not there and ExportError if it refuses the circuit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bench = write_bench(hardware, folder)
    write_vectors(hardware, folder, inputs, expected)
    program = _build(hardware, bench, folder)
    printed = call([str(program)], folder, VERILATOR.environment()).stdout
    counts = re.search(r"(\d+) events, (\d+) mismatches", printed)
    if counts is None or int(counts.group(1)) != len(inputs):
        raise ExportError(f"the simulation in '{folder}' did not finish: {error(printed)}")
    lines = (folder / "outputs.hex").read_text(encoding="ascii").split()
    stream = hardware.outputs.values(lines)
    outputs = stream[len(stream) - len(inputs) :]
    shift = _shift(stream, expected)
    tool = f"Verilator {VERILATOR.version()}"
    return Simulation(outputs, int(counts.group(2)), shift, tool)


def _build(hardware: Hardware, bench: Path, folder: Path) -> Path:
    VERILATOR.check_version()
    build = folder / "build"
    sources = [str(hardware.folder / name) for name in hardware.sources]
    options = "--binary --timing --x-initial fast -Wno-fatal -Wno-lint -Wno-TIMESCALEMOD -j 1"
    compiler = ["-CFLAGS", "-std=c++20 -fcoroutines -O1", "--output-split", "20000"]
    compiler += ["--Mdir", str(build)]
    arguments = [*options.split(), *compiler, "--top-module", BENCH, str(bench), *sources]
    VERILATOR.run(arguments, folder)
    return build / f"V{BENCH}"


def _shift(stream: NDArray[np.float64], expected: NDArray[np.float64]) -> int | None:
    """Return after how many edges the first output appears, if all follow at one a cycle.

    The first line of the stream is what stands after the edge that takes the first event.
    """
    spare = len(stream) - len(expected)
    matching = [
        s for s in range(spare + 1) if np.array_equal(stream[s : s + len(expected)], expected)
    ]
    return matching[0] if len(matching) == 1 else None


def clean(folder: Path) -> None:
    """Remove the simulator's build, which is large."""
    shutil.rmtree(folder / "build", ignore_errors=True)
