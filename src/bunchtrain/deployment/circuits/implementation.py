"""Implementation of an exact function as a circuit: RTL, simulation, synthesis, placement."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from bunchtrain.deployment.circuits.bench_vhdl import write_vhdl_bench
from bunchtrain.deployment.circuits.exact import ExactFunction, Sample
from bunchtrain.deployment.circuits.hardware import Hardware, write_verilog, write_vhdl
from bunchtrain.deployment.circuits.placement import PINS, Placement, place_and_route
from bunchtrain.deployment.circuits.simulation import Simulation, clean, simulate, simulate_vhdl
from bunchtrain.deployment.circuits.stream_simulation import simulate_stream
from bunchtrain.deployment.circuits.streaming import write_stream
from bunchtrain.deployment.circuits.synthesis import Synthesis, synthesise_large
from bunchtrain.deployment.circuits.tracing import Pipeline
from bunchtrain.deployment.tools import GHDL
from bunchtrain.errors import ExportError
from bunchtrain.networks.quantised.quantised_image_cnn import QuantisedImageCNN

#: Default number of events simulated in VHDL; GHDL is slow.
VHDL_EVENTS = 1000
#: Pins of a stream in addition to its ports and the clock.
CONTROL = ("reset", "valid_in", "valid_out")


@dataclass(frozen=True)
class Implementation:
    """A circuit with the results of its tools; None for what was left out.

    hardware    the Verilog and its ports.
    simulation  of the Verilog.
    vhdl        simulation of the VHDL.
    synthesis   cells of a large FPGA.
    placement   cells of an ECP5, and the clock there.
    """

    hardware: Hardware
    simulation: Simulation
    vhdl: Simulation | None
    synthesis: Synthesis | None
    placement: Placement | None

    @property
    def tools(self) -> list[str]:
        """Name and version of each tool."""
        others = (self.vhdl, self.synthesis, self.placement)
        return [self.simulation.tool, *(one.tool for one in others if one is not None)]


def implement(
    function: ExactFunction,
    sample: Sample,
    outputs: Sequence[str],
    folder: Path,
    pipeline: Pipeline,
    synthesise: bool = True,
    clock: float | None = 60.0,
    seeds: Sequence[int] = (1,),
    vhdl_events: int | None = None,
) -> Implementation:
    """Write the circuit of a function into a folder and simulate its gates for the sample.

    function     computed by the circuit.
    sample       inputs of events with the expected outputs.
    outputs      names of the outputs.
    folder       of `verilog/`, `vhdl/`, a folder with a test bench of each and, if chosen,
                 `synthesis/` and `ecp5/`.
    pipeline     division of the logic into stages.
    synthesise   whether to count the cells of a large FPGA.
    clock        target clock of place and route on an ECP5 in MHz; None leaves it out.
    seeds        seeds of the placement, the fastest of which is used.
    vhdl_events  events simulated in VHDL; if unset, 1000 where GHDL is installed.

    Raises MissingDependency, naming the tool and the command that installs it, and ExportError for
    an overflow of the circuit's port, or if it is larger than the ECP5.
    """
    folder = folder.resolve()  # the tools run in other folders
    traced = function.circuit(list(outputs))
    hardware = write_verilog(traced, pipeline, folder / "verilog")
    vhdl = write_vhdl(traced, pipeline, folder / "vhdl")
    check_range(hardware, sample)
    simulation = simulate(hardware, folder / "simulation", sample.inputs, sample.outputs)
    clean(folder / "simulation")
    simulated = _simulate_vhdl(vhdl, folder / "simulation_vhdl", sample, vhdl_events)
    costs = _measure_cost(hardware, folder, synthesise, clock, seeds)
    return Implementation(hardware, simulation, simulated, *costs)


def implement_stream(
    model: QuantisedImageCNN,
    channels: Sequence[str],
    sample: Sample,
    outputs: Sequence[str],
    folder: Path,
    pipeline: Pipeline,
    synthesise: bool = True,
    clock: float | None = 60.0,
    seeds: Sequence[int] = (1,),
) -> Implementation:
    """Write the streaming circuit of a model into a folder and simulate it pixel by pixel.

    model     quantised network of images.
    channels  names of the channels of a pixel.

    The other arguments are those of `implement`; there is no VHDL. Raises ExportError for an
    overflow, or if the device has too few pins or look-up tables.
    """
    hardware = write_stream(model, channels, outputs, pipeline, folder / "verilog")
    check_range(hardware, sample)
    pins = hardware.inputs.width + hardware.outputs.width + len(CONTROL)
    if clock and pins > PINS:
        raise ExportError(
            f"a pixel and the outputs take {pins} pins, and the device has {PINS}; use fewer "
            "channels or bits, or leave place and route out with place=false"
        )
    images = sample.inputs.reshape(len(sample.inputs), len(channels), -1).swapaxes(1, 2)
    simulation = simulate_stream(hardware, folder / "simulation", images, sample.outputs)
    clean(folder / "simulation")
    assert simulation.latency is not None
    hardware = replace(hardware, latency=simulation.latency)
    costs = _measure_cost(hardware, folder, synthesise, clock, seeds)
    return Implementation(hardware, simulation, None, *costs)


def _measure_cost(
    hardware: Hardware, folder: Path, synthesise: bool, clock: float | None, seeds: Sequence[int]
) -> tuple[Synthesis | None, Placement | None]:
    """Return the cells of a large FPGA and the placement on an ECP5, if chosen."""
    synthesis = synthesise_large(hardware, folder / "synthesis") if synthesise else None
    placement = place_and_route(hardware, folder / "ecp5", clock, seeds) if clock else None
    for netlist in (folder / "synthesis" / "xcup.json", folder / "ecp5" / "ecp5.json"):
        netlist.unlink(missing_ok=True)  # large
    return synthesis, placement


def _simulate_vhdl(
    hardware: Hardware, folder: Path, sample: Sample, events: int | None
) -> Simulation | None:
    """Simulate the first events in VHDL; the test bench is written even without a simulation."""
    count = events if events is not None else VHDL_EVENTS * (GHDL.path() is not None)
    if not count:
        folder.mkdir(parents=True, exist_ok=True)
        write_vhdl_bench(hardware, folder)
        return None
    simulation = simulate_vhdl(hardware, folder, sample.inputs[:count], sample.outputs[:count])
    clean(folder)
    return simulation


def check_range(hardware: Hardware, sample: Sample) -> None:
    """Raise ExportError if an output of the network overflows the port of the circuit."""
    overflows = hardware.outputs.count_overflows(sample.outputs)
    if overflows.any():
        worst = int(np.argmax(overflows))
        raise ExportError(
            f"{int(overflows[worst])} values of output '{hardware.outputs.names[worst]}' are out "
            "of the range of the circuit's port; the network's sums need more than the 24 bits of "
            "single precision, use fewer bits"
        )
