"""Place and route on an ECP5 by nextpnr: maximum clock, latency, bitstream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bunchtrain.deployment.circuits.hardware import TOP, Hardware
from bunchtrain.deployment.circuits.synthesis import Synthesis, synthesise_ecp5
from bunchtrain.deployment.tools import ECPPACK, NEXTPNR
from bunchtrain.errors import ExportError
from bunchtrain.files import write_text

#: The largest ECP5, fastest grade, largest package.
DEVICE = ("--85k", "--package", "CABGA756", "--speed", "8")
DEVICE_NAME = "LFE5U-85F, speed grade 8, CABGA756"

#: Usable pins of that package, without that of the clock.
PINS = 364

#: Look-up tables of the device, of which a carry takes two.
TABLES = 83640

#: Module and file of the wrapper that serialises the ports of a circuit with too many bits.
SERIALISER = f"{TOP}_frame"

_SERIALISER = """// Serialiser: shifts the input word in and the output word out, bit by bit.
module {wrapper} (input clk, input serial_inp, input load, output serial_out);
    reg [{inputs}:0] model_inp;
    wire [{outputs}:0] model_out;
    reg [{outputs}:0] shifted;

    {top} circuit (.clk(clk), .model_inp(model_inp), .model_out(model_out));

    always @(posedge clk) begin
        model_inp <= {{model_inp[{inputs} - 1:0], serial_inp}};
        shifted <= load ? model_out : {{1'b0, shifted[{outputs}:1]}};
    end
    assign serial_out = shifted[0];
endmodule
"""


@dataclass(frozen=True)
class Placement:
    """A circuit placed and routed.

    device      name of the device.
    megahertz   maximum clock of all paths between registers.
    target      target clock in MHz.
    cycles      latency in clock cycles.
    used        kind of cell → number of used ones, as nextpnr counts them.
    available   kind of cell → number of the device.
    serialised  whether the ports are serialised, since the device has too few pins.
    synthesis   cells as counted by Yosys.
    bitstream   path of the bitstream.
    tool        name and version.
    """

    device: str
    megahertz: float
    target: float
    cycles: int
    used: dict[str, int]
    available: dict[str, int]
    serialised: bool
    synthesis: Synthesis
    bitstream: Path
    tool: str

    @property
    def nanoseconds(self) -> float:
        """Latency: cycles / clock."""
        return 1e3 * self.cycles / self.megahertz


def place_and_route(
    hardware: Hardware, folder: Path, megahertz: float = 60.0, seeds: Sequence[int] = (1,)
) -> Placement:
    """Return the circuit placed on the largest ECP5, with its bitstream in the folder.

    megahertz  target clock; the maximum clock may be lower or higher.
    seeds      seeds of the placement, of which the fastest result is used.

    Raises ExportError if the circuit is larger than the device.
    """
    serialised = hardware.inputs.width + hardware.outputs.width > PINS
    top = SERIALISER if serialised else TOP
    if serialised:
        write_serialiser(hardware, folder)
    synthesis = synthesise_ecp5(hardware, folder, top)
    _check_size(synthesis)
    routed = max((_route(folder, megahertz, seed) for seed in seeds), key=lambda one: float(one[0]))
    clock, report, configuration = routed
    bitstream = folder / f"{TOP}.bit"
    ECPPACK.run(["--compress", configuration.name, bitstream.name], folder)
    cells = report["utilization"]
    return Placement(
        DEVICE_NAME,
        clock,
        megahertz,
        hardware.latency,
        {kind: cell["used"] for kind, cell in cells.items() if cell["used"]},
        {kind: cell["available"] for kind, cell in cells.items() if cell["used"]},
        serialised,
        synthesis,
        bitstream,
        f"nextpnr-ecp5 {NEXTPNR.version()}",
    )


def _check_size(synthesis: Synthesis) -> None:
    """Raise ExportError, before the placement, if the circuit is larger than the device."""
    tables = synthesis.counts["LUT"] + 2 * synthesis.counts["carry"]
    if tables > TABLES:
        raise ExportError(
            f"the circuit takes {tables} look-up tables, and {DEVICE_NAME} has {TABLES}; use fewer "
            "units or bits, or leave place and route out with place=false"
        )


def _route(folder: Path, megahertz: float, seed: int) -> tuple[float, dict[str, dict], Path]:  # type: ignore[type-arg]
    report, configuration = folder / f"nextpnr_{seed}.json", folder / f"{TOP}_{seed}.config"
    files = ["--json", "ecp5.json", "--report", report.name, "--textcfg", configuration.name]
    options = ["--freq", f"{megahertz:g}", "--seed", str(seed)]
    rest = ["--lpf-allow-unconstrained", "--timing-allow-fail", "--quiet"]
    NEXTPNR.run([*DEVICE, *files, *options, *rest], folder)
    found = json.loads(report.read_text(encoding="utf-8"))
    clocks = [clock["achieved"] for clock in found["fmax"].values()]
    return min(clocks), found, configuration


def write_serialiser(hardware: Hardware, folder: Path) -> Path:
    """Write the serialiser wrapper into a folder and return its path.

    The circuit between its own registers is unchanged, and so is the clock of its paths; in a real
    design neighbouring logic would drive its ports.
    """
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{SERIALISER}.v"
    inputs, outputs = hardware.inputs.width - 1, hardware.outputs.width - 1
    write_text(
        path, _SERIALISER.format(wrapper=SERIALISER, top=TOP, inputs=inputs, outputs=outputs)
    )
    return path
