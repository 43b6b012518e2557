"""Compilation of the C++ runtime with a network, and its run on events."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import awkward as ak
import numpy as np
from numpy.typing import NDArray

from bunchtrain.child_processes import run_program
from bunchtrain.deployment.cpp.program import Program
from bunchtrain.deployment.scoring import batches
from bunchtrain.deployment.verification import Scores
from bunchtrain.errors import ExportError, MachineError, MissingDependency
from bunchtrain.files import atomic_path, write_text
from bunchtrain.trained_model import TrainedModel

RUNTIME = Path(__file__).parent / "runtime"
#: Timeout of a compilation or a run in seconds.
TIMEOUT = 600


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
    command = ["make", "-s", f"CXX={compiler}", f"ARCH={arch}", f"{program}.run"]
    if shutil.which("make") is None:
        raise MissingDependency("export to C++ needs make: apt install make, or conda install make")
    run(command, folder, f"the C++ of {folder} does not compile")
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


def run_scores(
    trained: TrainedModel,
    events: ak.Array,
    program: Program,
    scratch: Path,
    compiler: str,
    arch: str,
) -> Scores:
    """Return the scores of a compiled program, named as `TrainedModel.predict` names them.

    `scratch` is an empty folder for the build; dropped events have NaN.
    """
    write_sources(program, scratch)
    executable = build(scratch, compiler, "evaluate", arch)
    indices = write_events(trained, events, scratch / "events.bin")
    command = [str(executable), "network.json", "events.bin", "scores.bin"]
    run(command, scratch, "the C++ network cannot be run")
    names = list(trained.quantities)
    scores = np.full((len(events), len(names)), np.nan, np.float32)
    scores[indices] = np.fromfile(scratch / "scores.bin", np.float32).reshape(-1, len(names))
    return {name: scores[:, k] for k, name in enumerate(names)}


def write_events(trained: TrainedModel, events: ak.Array, path: Path) -> NDArray[np.int64]:
    """Write the tensors of events for the programs; return the indices of these events.

    Events that the policy on invalid values drops are left out.
    """
    rows = int(trained.task.settings["batch_size"])
    indices: list[NDArray[np.int64]] = []
    blocks: dict[str, list[NDArray[Any]]] = {name: [] for name in trained.network.input_names}
    for chosen, inputs in batches(trained, events, rows):
        indices.append(chosen.numpy())
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
