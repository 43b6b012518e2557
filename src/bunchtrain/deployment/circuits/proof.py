"""From an exact function to the figures of its circuit: written, simulated, counted, placed."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bunchtrain.deployment.circuits.exact import ExactFunction, Sample
from bunchtrain.deployment.circuits.hardware import Hardware, write_verilog, write_vhdl
from bunchtrain.deployment.circuits.placement import Placement, place_and_route
from bunchtrain.deployment.circuits.simulation import Simulation, clean, simulate
from bunchtrain.deployment.circuits.synthesis import Synthesis, synthesise_large
from bunchtrain.deployment.circuits.traced import Pipeline
from bunchtrain.errors import ExportError


@dataclass(frozen=True)
class Proof:
    """What is known of a circuit; None for what was not asked for."""

    hardware: Hardware
    simulation: Simulation
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
) -> Proof:
    """Write the circuit of a function into a folder and run the sample through its gates.

    function    what the circuit computes.
    sample      events before the circuit and what should come out.
    outputs     names of the outputs.
    folder      gets `verilog/`, `vhdl/`, `simulation/` and, as asked, `synthesis/` and `ecp5/`.
    pipeline    how the logic is cut into stages.
    synthesise  whether to count the cells of a large FPGA.
    clock       MHz that place and route on an ECP5 aims at; None leaves it out.
    seeds       seeds of the placement, the fastest of which is kept.
    """
    traced = function.circuit(list(outputs))
    hardware = write_verilog(traced, pipeline, folder / "verilog")
    write_vhdl(traced, pipeline, folder / "vhdl")
    _check_range(hardware, sample)
    simulation = simulate(hardware, folder / "simulation", sample.inputs, sample.outputs)
    clean(folder / "simulation")
    synthesis = synthesise_large(hardware, folder / "synthesis") if synthesise else None
    placement = place_and_route(hardware, folder / "ecp5", clock, seeds) if clock else None
    for large in (folder / "synthesis" / "xcup.json", folder / "ecp5" / "ecp5.json"):
        large.unlink(missing_ok=True)
    return Proof(hardware, simulation, synthesis, placement)


def _check_range(hardware: Hardware, sample: Sample) -> None:
    """Raise ExportError if a number of the network does not fit the port of the circuit."""
    beyond = hardware.outputs.outside(sample.outputs)
    if beyond.any():
        worst = int(np.argmax(beyond))
        raise ExportError(
            f"{int(beyond[worst])} values of output '{hardware.outputs.names[worst]}' lie outside "
            "of the range of the circuit's port; the network's sums need more than the 24 bits of "
            "single precision, use fewer bits"
        )
