"""Compilation of the C++ runtime with a network, and its run on events."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray
from pydantic import AfterValidator

from bunchtrain.child_processes import run_program
from bunchtrain.deployment.cpp.program import Program
from bunchtrain.deployment.scoring import batches
from bunchtrain.deployment.verification import Scores
from bunchtrain.errors import ExportError, MachineError, MissingDependency, shorten
from bunchtrain.files import atomic_path, write_text
from bunchtrain.trained_model import TrainedModel

RUNTIME = Path(__file__).parent / "runtime"
#: Programs and flags that an option may name: compilers on the PATH, and flags that change neither
#: files nor results. They are given to the program itself, without a shell.
COMPILERS = r"([A-Za-z0-9_]+-)*(g\+\+|clang\+\+|c\+\+|icpx)(-[0-9]+(\.[0-9]+)*)?"
FLAGS = r"-m(arch|tune|cpu)=[A-Za-z0-9_.+-]+|-m(sse|avx|fma|f16c|bmi|neon)[A-Za-z0-9_.]*|-O[0-3sg]"
#: Timeout of a compilation or a run in seconds.
TIMEOUT = 600


def _is_compiler(name: str | None) -> str | None:
    if name is not None and not re.fullmatch(COMPILERS, name):
        raise ValueError(f"must be g++, clang++, c++ or icpx, on the PATH, got {shorten(name)}")
    return name


def _are_flags(text: str) -> str:
    for flag in text.split():
        if not re.fullmatch(FLAGS, flag):
            raise ValueError(f"must be flags such as -march=native or -O2, got {shorten(flag)}")
    return text


#: Name of a C++ compiler, for the options of the targets.
Compiler = Annotated[str | None, AfterValidator(_is_compiler)]
#: Flags of the compiler, separated by spaces.
Flags = Annotated[str, AfterValidator(_are_flags)]


def find_compiler(name: str | None = None) -> str:
    """Return the C++ compiler: `name`, $CXX, or the first that is installed.

    Raises MissingDependency if there is none.
    """
    chosen = name or os.environ.get("CXX")
    found = [c for c in ([chosen] if chosen else ["g++", "clang++", "c++"]) if shutil.which(c)]
    if not found:
        raise MissingDependency(
            f"the export to C++ is compiled for its verification, and there is no compiler "
            f"'{chosen or 'g++'}': apt install g++, or conda install gxx, or set CXX"
        )
    return found[0]


def compiler_version(name: str) -> str:
    """Return name and version of the compiler, the first line of its `--version`."""
    done = subprocess.run([name, "--version"], capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()[0] if done.stdout else name


def write_sources(program: Program, folder: Path) -> list[str]:
    """Write `network.json` and the runtime; return the names of the files."""
    write_text(folder / "network.json", json.dumps(program.json()) + "\n")
    names = sorted(path.name for path in RUNTIME.iterdir() if path.is_file())
    for name in names:
        with atomic_path(folder / name) as part:
            shutil.copyfile(RUNTIME / name, part)
    return ["network.json", *names]


def build(folder: Path, compiler: str, program: str, arch: str) -> Path:
    """Compile one of the programs in a folder; return its path.

    Raises ExportError, with the compiler's message, if it fails.
    """
    failure = f"the C++ of {folder} does not compile"
    command = [compiler, "-std=c++17", "-Wall", "-Wextra", "-O3", *arch.split()]
    if not (folder / "network.o").is_file():
        run([*command, "-c", "network.cpp", "-o", "network.o"], folder, failure)
    names = [f"{program}.cpp", "network.o", "-o", f"{program}.run"]
    run([*command, "-pthread", *names], folder, failure)
    return folder / f"{program}.run"


def run(command: Sequence[str], folder: Path, failure: str) -> str:
    """Return the output of a command; ExportError begins with `failure` if it fails."""
    try:
        done = run_program(command, folder, timeout=TIMEOUT)
    except subprocess.TimeoutExpired:
        raise MachineError(f"{failure}: not finished after {TIMEOUT} s") from None
    if done.returncode:
        message = " ".join((done.stderr or done.stdout).split())[:500]
        raise ExportError(f"{failure}: {message}")
    return done.stdout


def build_evaluation(program: Program, scratch: Path, compiler: str, arch: str) -> Path:
    """Return the compiled program that evaluates a network, built in an empty folder."""
    write_sources(program, scratch)
    return build(scratch, compiler, "evaluate", arch)


def run_scores(trained: TrainedModel, events: ak.Array, executable: Path) -> Scores:
    """Return the scores of a compiled program, named as `TrainedModel.predict` names them.

    Dropped events have NaN.
    """
    folder = executable.parent
    indices = write_events(trained, events, folder / "events.bin")
    command = [str(executable), "network.json", "events.bin", "scores.bin"]
    run(command, folder, "the C++ network cannot be run")
    names = list(trained.quantities)
    scores = np.full((len(events), len(names)), np.nan, np.float32)
    scores[indices] = np.fromfile(folder / "scores.bin", np.float32).reshape(-1, len(names))
    return {name: scores[:, k] for k, name in enumerate(names)}


def write_events(trained: TrainedModel, events: ak.Array, path: Path) -> NDArray[np.int64]:
    """Write the tensors of events for the programs; return the indices of these events.

    Events that the policy on invalid values drops are left out.
    """
    rows = int(trained.task.settings["batch_size"])
    indices: list[NDArray[np.int64]] = []
    blocks: dict[str, list[NDArray[Any]]] = {name: [] for name in trained.network.input_names}
    for chosen, inputs in batches(trained, events, rows):
        indices.append(chosen)
        for name, values in inputs.items():
            blocks[name].append(values)
    write_tensors({name: np.concatenate(block) for name, block in blocks.items() if block}, path)
    return np.concatenate(indices) if indices else np.zeros(0, np.int64)


def write_tensors(tensors: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write the tensors of events for the programs, in the order of the network's inputs."""
    lengths = tensors.get("lengths")
    first = next(iter(tensors.values()), np.zeros(0))
    count = len(first) if lengths is None else len(lengths)
    with atomic_path(path) as part, part.open("wb") as file:
        file.write(np.int64(count).tobytes())
        if lengths is not None:
            file.write(lengths.astype(np.int64).tobytes())
        for name, values in tensors.items():
            if name != "lengths":
                file.write(np.ascontiguousarray(values, np.float32).tobytes())
