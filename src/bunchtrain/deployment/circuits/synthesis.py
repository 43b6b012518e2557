"""Synthesis by Yosys: Verilog to the cells of an FPGA, and the number of each kind."""

from __future__ import annotations

import json
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from bunchtrain.deployment.circuits.hardware import TOP, Hardware
from bunchtrain.deployment.tools import YOSYS

#: Cells of a kind: LUTs, flip-flops, multipliers and memories of Xilinx and of Lattice ECP5.
_KINDS = {
    "LUT": r"LUT[1-6]|LUT6_2|INV|LUT4|SRL\w+",
    "FF": r"FD[RSCP]E\w*|FD[CP]_\w+|TRELLIS_FF",
    "DSP": r"DSP48\w*|MULT18X18D|ALU54B",
    "BRAM": r"RAMB(18|36)\w*|DP16KD|PDPW16KD",
    "carry": r"CARRY[48]|CCU2C",
}
#: Memories of look-up tables → largest number of tables of a cell, counted as LUT: those of a slice
#: of UltraScale+; two slices of ECP5 and a third one for the write ports.
_MEMORIES = {r"RAM\d+[MX]\w+": 8, "TRELLIS_DPR16X4": 6}


@dataclass(frozen=True)
class Synthesis:
    """Cells of an FPGA that a circuit uses, before its placement.

    family  FPGA family, e.g. "Xilinx UltraScale+".
    counts  LUT, FF, DSP, BRAM and carry → number of cells. A carry of Xilinx uses LUTs that are
            also counted; a CCU2C of ECP5 replaces two LUTs that are not counted.
    tool    name and version.
    """

    family: str
    counts: Mapping[str, int]
    tool: str


def synthesise_large(hardware: Hardware, folder: Path) -> Synthesis:
    """Return the cells of a Xilinx UltraScale+ FPGA that the circuit uses."""
    counts = _synthesise(hardware, folder, "synth_xilinx -family xcup -flatten -noiopad", "xcup")
    return Synthesis("Xilinx UltraScale+", counts, f"Yosys {YOSYS.version()}")


def synthesise_ecp5(hardware: Hardware, folder: Path, top: str = TOP) -> Synthesis:
    """Return the cells of a Lattice ECP5, and write the netlist `ecp5.json` for the placement.

    top  top module of the design, as a wrapper of the circuit.
    """
    counts = _synthesise(hardware, folder, "synth_ecp5", "ecp5", top)
    return Synthesis("Lattice ECP5", counts, f"Yosys {YOSYS.version()}")


def _synthesise(
    hardware: Hardware, folder: Path, command: str, name: str, top: str = TOP
) -> dict[str, int]:
    """Return kind → cells; `name`.json and `name`.stat are written into the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    # The wheel of Yosys has another /tmp, so that paths must be relative.
    verilog = os.path.relpath(hardware.folder, folder)
    sources = [f"{verilog}/{source}" for source in hardware.sources]
    sources += [f"{top}.v"] if top != TOP else []
    script = [f'read_verilog -sv "{source}"' for source in sources]
    script += [f"{command} -top {top}", f"write_json {name}.json", f"tee -o {name}.stat stat -json"]
    YOSYS.run(["-q", "-p", "; ".join(script)], folder)
    text = (folder / f"{name}.stat").read_text(encoding="utf-8")
    found = json.loads(text[text.index("{") : text.rindex("}") + 1])
    return _count(found["design"]["num_cells_by_type"])


def _count(cells: Mapping[str, int]) -> dict[str, int]:
    found = {kind: _count_kind(cells, pattern) for kind, pattern in _KINDS.items()}
    found["LUT"] += sum(size * _count_kind(cells, pattern) for pattern, size in _MEMORIES.items())
    return found


def _count_kind(cells: Mapping[str, int], pattern: str) -> int:
    return sum(count for cell, count in cells.items() if re.fullmatch(pattern, cell))
