"""A circuit as Verilog and VHDL, with registers between its stages.

The event is read into registers at one edge of the clock, and the outputs are in registers as many
edges later as there are stages: that number of cycles is the latency. A new event is read at every
edge, so the initiation interval is 1.
"""

from __future__ import annotations

import re
import shutil
import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from bunchtrain.deployment.circuits.ports import Port
from bunchtrain.deployment.circuits.tracing import Pipeline, TracedCircuit

#: Name of the module at the top, with the ports `clk`, `model_inp` and `model_out`.
TOP = "network"


@dataclass(frozen=True)
class Hardware:
    """A circuit as files of a hardware description language.

    folder         of the files.
    sources        names of the files.
    inputs         port `model_inp`.
    outputs        port `model_out`.
    latency        cycles between the registers of the inputs and those of the outputs.
    register_bits  bits of all registers.
    estimate       six-input look-up tables, estimated by the tracer; None if unknown.
    """

    folder: Path
    sources: tuple[str, ...]
    inputs: Port
    outputs: Port
    latency: int
    register_bits: int
    estimate: float | None = None


def write_verilog(
    circuit: TracedCircuit, pipeline: Pipeline, folder: Path, name: str = TOP
) -> Hardware:
    """Write the circuit as Verilog into a folder; `name` is that of its top module."""
    return _write(circuit, pipeline, folder, "verilog", name)


def write_vhdl(circuit: TracedCircuit, pipeline: Pipeline, folder: Path) -> Hardware:
    """Write the circuit as VHDL-2008 into a folder."""
    return _write(circuit, pipeline, folder, "vhdl")


def _write(
    circuit: TracedCircuit, pipeline: Pipeline, folder: Path, language: str, name: str = TOP
) -> Hardware:
    from alkaid.codegen import RTLModel

    folder.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory() as scratch:
        model = RTLModel(
            circuit.logic,
            scratch,
            name,
            language,
            n_stages=pipeline.stages or (1 if pipeline.cutoff is None else -1),
            latency_cutoff=pipeline.cutoff or -1,
            ternary_fuse=pipeline.ternary,
            print_latency=False,
        )
        model.write()
        sources = [p for p in sorted(Path(scratch, "src").rglob("*.v*")) if p.suffix != ".vvp"]
        used = [source for source in sources if source.stem != f"{name}_wrapper"]
        files = [_copy(source, folder, name) for source in used]
    inputs, outputs = model.fsm.inp_signals[0], model.fsm.out_signals[0]
    return Hardware(
        folder,
        tuple(files),
        Port(circuit.inputs.names, tuple(tuple(p) for p in inputs.precisions)),
        Port(circuit.outputs.names, tuple(tuple(p) for p in outputs.precisions)),
        int(model.latency),
        int(model.reg_bits),
        float(circuit.logic.cost),
    )


def _copy(source: Path, folder: Path, name: str) -> str:
    """Copy a file and return its name; the stages of a submodule get its name as a prefix."""
    if name == TOP:
        shutil.copyfile(source, folder / source.name)
        return source.name
    rename = partial(re.sub, r"\blogic(\d+)\b", rf"{name}_logic\1")
    target = rename(source.name)
    (folder / target).write_text(rename(source.read_text(encoding="utf-8")), encoding="utf-8")
    return target
