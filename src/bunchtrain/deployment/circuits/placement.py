"""Place and route on an ECP5 by nextpnr: the clock that closes, nanoseconds, the bitstream."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from bunchtrain.deployment.circuits.frame import FRAME, write_frame
from bunchtrain.deployment.circuits.hardware import TOP, Hardware
from bunchtrain.deployment.circuits.synthesis import Synthesis, synthesise_ecp5
from bunchtrain.deployment.tools.catalogue import ECPPACK, NEXTPNR
from bunchtrain.errors import ExportError

#: The largest ECP5, fastest grade, largest package.
DEVICE = ("--85k", "--package", "CABGA756", "--speed", "8")
DEVICE_NAME = "LFE5U-85F, speed grade 8, CABGA756"

#: Pins of that package that a design may use; one is the clock's.
PINS = 364

#: Look-up tables of the device, of which a carry takes two.
TABLES = 83640


@dataclass(frozen=True)
class Placement:
    """A circuit placed and routed.

    device     name of the device.
    megahertz  the highest clock at which all paths between registers close.
    target     the clock that was asked for, in MHz.
    cycles     latency in clock cycles.
    used       kind of cell → number used of the device, as nextpnr counts them.
    available  kind of cell → number that the device has.
    framed     True if words go in and out bit after bit, since the device has too few pins.
    synthesis  what Yosys counted.
    bitstream  path of the bitstream.
    tool       name and version.
    """

    device: str
    megahertz: float
    target: float
    cycles: int
    used: dict[str, int]
    available: dict[str, int]
    framed: bool
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

    megahertz  clock to aim at; the clock reached may be lower or higher.
    seeds      seeds of the placement, of which the fastest result is kept.

    Raises ExportError if the circuit is larger than the device.
    """
    framed = hardware.inputs.width + hardware.outputs.width > PINS
    top = TOP
    if framed:
        top = FRAME
        write_frame(hardware, folder)
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
        framed,
        synthesis,
        bitstream,
        f"nextpnr-ecp5 {NEXTPNR.version()}",
    )


def _check_size(synthesis: Synthesis) -> None:
    """Raise ExportError before the placement if the circuit cannot fit."""
    tables = synthesis.counts["LUT"] + 2 * synthesis.counts["carry"]
    if tables > TABLES:
        raise ExportError(
            f"the circuit takes {tables} look-up tables, and {DEVICE_NAME} has {TABLES}; use fewer "
            "units or bits, or leave place and route out with place=false"
        )


def _route(folder: Path, megahertz: float, seed: int) -> tuple[float, dict[str, dict], Path]:  # type: ignore[type-arg]
    report, configuration = folder / f"nextpnr_{seed}.json", folder / f"{TOP}_{seed}.config"
    files = ["--json", "ecp5.json", "--report", report.name, "--textcfg", configuration.name]
    asked = ["--freq", f"{megahertz:g}", "--seed", str(seed)]
    rest = ["--lpf-allow-unconstrained", "--timing-allow-fail", "--quiet"]
    NEXTPNR.run([*DEVICE, *files, *asked, *rest], folder)
    found = json.loads(report.read_text(encoding="utf-8"))
    clocks = [clock["achieved"] for clock in found["fmax"].values()]
    return min(clocks), found, configuration
