"""From an exact function to the figures of its circuit: written, simulated, counted, placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bunchtrain.deployment.circuits.bench_vhdl import write_vhdl_bench
from bunchtrain.deployment.circuits.exact import ExactFunction, Sample
from bunchtrain.deployment.circuits.hardware import Hardware, write_verilog, write_vhdl
from bunchtrain.deployment.circuits.placement import Placement, place_and_route
from bunchtrain.deployment.circuits.simulation import Simulation, clean, simulate, simulate_vhdl
from bunchtrain.deployment.circuits.synthesis import Synthesis, synthesise_large
from bunchtrain.deployment.circuits.traced import Pipeline
from bunchtrain.deployment.tools.catalogue import GHDL
from bunchtrain.errors import ExportError

#: Events that go through the VHDL where it is not said how many; GHDL is slow.
VHDL_EVENTS = 1000


@dataclass(frozen=True)
class Proof:
    """What is known of a circuit; None for what was not asked for.

    hardware    the Verilog and its ports.
    simulation  what the Verilog gave.
    vhdl        what the VHDL gave.
    synthesis   what it takes of a large FPGA.
    placement   what it takes of an ECP5, and its clock there.
    """

    hardware: Hardware
    simulation: Simulation
    vhdl: Simulation | None
    synthesis: Synthesis | None
    placement: Placement | None


def prove(
    function: ExactFunction,
    sample: Sample,
    outputs: Sequence[str],
    folder: Path,
    pipeline: Pipeline,
    synthesise: bool = True,
    clock: float | None = 60.0,
    seeds: Sequence[int] = (1,),
    vhdl_events: int | None = None,
) -> Proof:
    """Write the circuit of a function into a folder and run the sample through its gates.

    function     what the circuit computes.
    sample       events before the circuit and what should come out.
    outputs      names of the outputs.
    folder       gets `verilog/`, `vhdl/`, a folder with a test bench of each and, as asked,
                 `synthesis/` and `ecp5/`.
    pipeline     how the logic is cut into stages.
    synthesise   whether to count the cells of a large FPGA.
    clock        MHz that place and route on an ECP5 aims at; None leaves it out.
    seeds        seeds of the placement, the fastest of which is kept.
    vhdl_events  events that go through the VHDL; if unset, 1000 where GHDL is installed.

    Raises MissingDependency, naming the tool and the command that installs it, and ExportError if
    the circuit's range is left, or if it is larger than the ECP5.
    """
    folder = folder.resolve()  # the tools run in folders of their own
    traced = function.circuit(list(outputs))
    hardware = write_verilog(traced, pipeline, folder / "verilog")
    described = write_vhdl(traced, pipeline, folder / "vhdl")
    check_range(hardware, sample)
    simulation = simulate(hardware, folder / "simulation", sample.inputs, sample.outputs)
    clean(folder / "simulation")
    vhdl = _simulate_vhdl(described, folder / "simulation_vhdl", sample, vhdl_events)
    return Proof(hardware, simulation, vhdl, *cost(hardware, folder, synthesise, clock, seeds))


def cost(
    hardware: Hardware, folder: Path, synthesise: bool, clock: float | None, seeds: Sequence[int]
) -> tuple[Synthesis | None, Placement | None]:
    """Return what the circuit takes of a large FPGA and of an ECP5, as asked of `prove`."""
    synthesis = synthesise_large(hardware, folder / "synthesis") if synthesise else None
    placement = place_and_route(hardware, folder / "ecp5", clock, seeds) if clock else None
    for large in (folder / "synthesis" / "xcup.json", folder / "ecp5" / "ecp5.json"):
        large.unlink(missing_ok=True)
    return synthesis, placement


def _simulate_vhdl(
    hardware: Hardware, folder: Path, sample: Sample, events: int | None
) -> Simulation | None:
    """Return what the first events give; the test bench is there even if none goes through it."""
    asked = events if events is not None else VHDL_EVENTS * (GHDL.path() is not None)
    inputs, outputs = sample.inputs[:asked], sample.outputs[:asked]
    if not asked:
        folder.mkdir(parents=True, exist_ok=True)
        write_vhdl_bench(hardware, folder)
        return None
    simulation = simulate_vhdl(hardware, folder, inputs, outputs)
    clean(folder)
    return simulation


def check_range(hardware: Hardware, sample: Sample) -> None:
    """Raise ExportError if a number of the network does not fit the port of the circuit."""
    beyond = hardware.outputs.outside(sample.outputs)
    if beyond.any():
        worst = int(np.argmax(beyond))
        raise ExportError(
            f"{int(beyond[worst])} values of output '{hardware.outputs.names[worst]}' lie outside "
            "of the range of the circuit's port; the network's sums need more than the 24 bits of "
            "single precision, use fewer bits"
        )
