"""Simulation of the gates, one event a clock cycle, by Verilator (Verilog) or GHDL (VHDL)."""

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
from bunchtrain.deployment.tools import GHDL, VERILATOR, Tool, call, find_error
from bunchtrain.errors import ExportError


@dataclass(frozen=True)
class Simulation:
    """Results of a simulation.

    outputs     (events, outputs).
    mismatches  events with an output that is not the expected one, counted by the test bench.
    latency     cycles from the edge that reads an event to that of its outputs, the only shift at
                which the sequence of outputs is the expected one; None if there is none.
    tool        name and version of the simulator.
    interval    cycles from one event to the next; for images, the largest number between outputs.
    gapped      images that were simulated again with random gaps between their pixels.
    """

    outputs: NDArray[np.float64]
    mismatches: int
    latency: int | None
    tool: str
    interval: int = 1
    gapped: int = 0


def simulate(
    hardware: Hardware, folder: Path, inputs: NDArray[np.float64], expected: NDArray[np.float64]
) -> Simulation:
    """Simulate the Verilog for events and compare with the outputs of the network.

    inputs    (events, inputs) in the formats of the port.
    expected  (events, outputs) in the formats of the port.

    Test bench, words and the simulator's build stay in the folder. Raises MissingDependency if
    Verilator is not installed and ExportError if it fails.
    """
    folder.mkdir(parents=True, exist_ok=True)
    bench = write_bench(hardware, folder)
    write_vectors(hardware, folder, inputs, expected)
    program = build(hardware, bench, folder)
    output = call([str(program)], folder, VERILATOR.environment()).stdout
    return _read_results(hardware, folder, expected, output, VERILATOR)


def simulate_vhdl(
    hardware: Hardware, folder: Path, inputs: NDArray[np.float64], expected: NDArray[np.float64]
) -> Simulation:
    """Simulate the VHDL for events, as `simulate` the Verilog.

    Raises MissingDependency if GHDL is not installed and ExportError if it fails.
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
    output = GHDL.run(["-r", *options, BENCH, "--ieee-asserts=disable"], folder)
    return _read_results(hardware, folder, expected, output, GHDL)


def _read_results(
    hardware: Hardware, folder: Path, expected: NDArray[np.float64], output: str, tool: Tool
) -> Simulation:
    """Return the results, from the output of the simulator and the file of the test bench."""
    counts = re.search(r"(\d+) events, (\d+) mismatches", output)
    if counts is None or int(counts.group(1)) != len(expected):
        raise ExportError(f"the simulation in '{folder}' did not finish: {find_error(output)}")
    lines = (folder / "outputs.hex").read_text(encoding="ascii").split()
    sequence = hardware.outputs.values(lines)
    outputs = sequence[len(sequence) - len(expected) :]
    latency = _find_latency(sequence, expected)
    return Simulation(outputs, int(counts.group(2)), latency, f"{tool.title} {tool.version()}")


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


def _find_latency(sequence: NDArray[np.float64], expected: NDArray[np.float64]) -> int | None:
    """Return the number of edges before the first output, if all follow at one a cycle.

    The first row of the sequence is the output after the edge that reads the first event.
    """
    count = len(expected)
    shifts = range(len(sequence) - count + 1)
    matching = [s for s in shifts if np.array_equal(sequence[s : s + count], expected)]
    return matching[0] if len(matching) == 1 else None


def clean(folder: Path) -> None:
    """Remove the simulator's build, which is large."""
    shutil.rmtree(folder / "build", ignore_errors=True)
    for built in (folder / BENCH, folder / f"e~{BENCH}.o"):  # GHDL's, where it compiles
        built.unlink(missing_ok=True)
