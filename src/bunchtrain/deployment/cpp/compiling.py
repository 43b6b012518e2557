"""Writing the C++ runtime beside a network, compiling it and running it on events."""

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

from bunchtrain.deployment.cpp.program import Program
from bunchtrain.deployment.parity import Scores
from bunchtrain.deployment.scoring import batches, score_names
from bunchtrain.errors import ExportError, MachineError, MissingDependency
from bunchtrain.files import aside, write_text
from bunchtrain.trained_model import TrainedModel

RUNTIME = Path(__file__).parent / "runtime"
#: Seconds after which a compilation or a run is given up.
PATIENCE = 600


def compiler(name: str | None = None) -> str:
    """Return the C++ compiler to use: `name`, $CXX, or the first that is found.

    Raises MissingDependency if there is none.
    """
    wanted = name or os.environ.get("CXX")
    found = [c for c in ([wanted] if wanted else ["g++", "clang++", "c++"]) if shutil.which(c)]
    if not found:
        raise MissingDependency(
            f"export to C++ compiles its files to prove them, and there is no compiler "
            f"'{wanted or 'g++'}': apt install g++, or conda install gxx, or set CXX"
        )
    return found[0]


def compiler_version(name: str) -> str:
    """Return the first line of what the compiler says of itself."""
    done = subprocess.run([name, "--version"], capture_output=True, text=True, timeout=60)
    return done.stdout.splitlines()[0] if done.stdout else name


def write_sources(program: Program, folder: Path) -> list[str]:
    """Write `network.json` and the runtime; return the names of the files."""
    write_text(folder / "network.json", json.dumps(program.json()) + "\n")
    names = sorted(path.name for path in RUNTIME.iterdir() if path.is_file())
    for name in names:
        with aside(folder / name) as part:
            shutil.copyfile(RUNTIME / name, part)
    return ["network.json", *names]


def build(folder: Path, compiler_name: str, program: str, arch: str) -> Path:
    """Compile one of the programs in a folder; return its path.

    Raises ExportError, with what the compiler said, if it fails.
    """
    words = ["make", "-s", f"CXX={compiler_name}", f"ARCH={arch}", f"{program}.run"]
    if shutil.which("make") is None:
        raise MissingDependency("export to C++ needs make: apt install make, or conda install make")
    run(words, folder, f"the C++ of {folder} does not compile")
    return folder / f"{program}.run"


def run(words: Sequence[str], folder: Path, wrong: str) -> str:
    """Return what a command prints; ExportError begins with `wrong` if it fails."""
    try:
        done = subprocess.run(words, cwd=folder, capture_output=True, text=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        raise MachineError(f"{wrong}: no end after {PATIENCE} s") from None
    if done.returncode:
        said = " ".join((done.stderr or done.stdout).split())[:500]
        raise ExportError(f"{wrong}: {said}")
    return done.stdout


def scores(
    trained_model: TrainedModel,
    events: ak.Array,
    program: Program,
    place: Path,
    compiler_name: str,
    arch: str,
) -> Scores:
    """Return the scores of a compiled program, named as `TrainedModel.predict` names them.

    `place` is an empty folder for what is built on the way; dropped events have NaN.
    """
    write_sources(program, place)
    executable = build(place, compiler_name, "evaluate", arch)
    kept = write_events(trained_model, events, place / "events.bin")
    words = [str(executable), "network.json", "events.bin", "scores.bin"]
    run(words, place, "the C++ network cannot be run")
    names = score_names(trained_model)
    found = np.full((len(events), len(names)), np.nan, np.float32)
    found[kept] = np.fromfile(place / "scores.bin", np.float32).reshape(-1, len(names))
    return {name: found[:, k] for k, name in enumerate(names)}


def write_events(trained_model: TrainedModel, events: ak.Array, path: Path) -> NDArray[np.int64]:
    """Write the tensors of events as the programs read them; return the numbers of those written.

    Events that the policy on invalid values drops are not among them.
    """
    rows = int(trained_model.task.settings["batch_size"])
    numbers: list[NDArray[np.int64]] = []
    held: dict[str, list[NDArray[Any]]] = {name: [] for name in trained_model.network.needs}
    for chosen, inputs in batches(trained_model, events, rows):
        numbers.append(chosen.numpy())
        for name, values in inputs.items():
            held[name].append(values)
    kept = np.concatenate(numbers) if numbers else np.zeros(0, np.int64)
    write_tensors({name: np.concatenate(blocks) for name, blocks in held.items() if blocks}, path)
    return kept


def write_tensors(tensors: Mapping[str, NDArray[Any]], path: Path) -> None:
    """Write the tensors of events, in the order of the network's inputs, as the programs read."""
    lengths = tensors.get("lengths")
    first = next(iter(tensors.values()), np.zeros(0))
    count = len(first) if lengths is None else len(lengths)
    with aside(path) as part, part.open("wb") as file:
        file.write(np.int64(count).tobytes())
        if lengths is not None:
            file.write(lengths.astype(np.int64).tobytes())
        for name, values in tensors.items():
            if name != "lengths":
                file.write(np.ascontiguousarray(values, np.float32).tobytes())
