"""Simulation of the gates: every event through the circuit, one a clock cycle.

Verilator compiles the Verilog to a fast program, and GHDL runs the VHDL where it is installed.
"""

from __future__ import annotations

import re
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bunchtrain.deployment.circuits.bench import BENCH, write_bench, write_vectors
from bunchtrain.deployment.circuits.bench_vhdl import write_vhdl_bench
from bunchtrain.deployment.circuits.hardware import Hardware
from bunchtrain.deployment.tools.catalogue import GHDL
from bunchtrain.deployment.tools.tool import Tool, call, error
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
    interval    cycles from one event to the next; for images, the largest number between outputs.
    gapped      images that went through once more, with random gaps between their pixels.
    """

    outputs: NDArray[np.float64]
    mismatches: int
    latency: int | None
    tool: str
    interval: int = 1
    gapped: int = 0


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
    program = build(hardware, bench, folder)
    printed = call([str(program)], folder, VERILATOR.environment()).stdout
    return _judge(hardware, folder, expected, printed, VERILATOR)


def simulate_vhdl(
    hardware: Hardware,
    folder: Path,
    inputs: NDArray[np.float64],
    expected: NDArray[np.float64],
) -> Simulation:
    """Run events through the VHDL, as `simulate` does through the Verilog.

    Raises MissingDependency if GHDL is not there and ExportError if it refuses the circuit.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bench = write_vhdl_bench(hardware, folder)
    write_vectors(hardware, folder, inputs, expected)
    build = (folder / "build").resolve()
    build.mkdir(exist_ok=True)
    options = ["--std=08", f"--workdir={build}"]
    sources = [str((hardware.folder / name).resolve()) for name in hardware.sources]
    GHDL.run(["-i", *options, *sources, str(bench.resolve())], folder)
    GHDL.run(["-m", *options, BENCH], folder)
    printed = GHDL.run(["-r", *options, BENCH, "--ieee-asserts=disable"], folder)
    return _judge(hardware, folder, expected, printed, GHDL)


def _judge(
    hardware: Hardware, folder: Path, expected: NDArray[np.float64], printed: str, tool: Tool
) -> Simulation:
    """Return what came out, from the last line and the file that the test bench wrote."""
    counts = re.search(r"(\d+) events, (\d+) mismatches", printed)
    if counts is None or int(counts.group(1)) != len(expected):
        raise ExportError(f"the simulation in '{folder}' did not finish: {error(printed)}")
    lines = (folder / "outputs.hex").read_text(encoding="ascii").split()
    stream = hardware.outputs.values(lines)
    outputs = stream[len(stream) - len(expected) :]
    shift = _shift(stream, expected)
    return Simulation(outputs, int(counts.group(2)), shift, f"{tool.title} {tool.version()}")


def build(hardware: Hardware, bench: Path, folder: Path) -> Path:
    """Compile the circuit and its test bench in a folder and return the program."""
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
    for built in (folder / BENCH, folder / f"e~{BENCH}.o"):  # GHDL's, where it compiles
        built.unlink(missing_ok=True)
