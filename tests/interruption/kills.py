"""Kill commands at random times, and compare what the repeated or resumed ones write.

`python tests/interruption/kills.py --count 200` ends runs, searches, predictions, exports and
simulations by SIGKILL, SIGTERM and SIGINT; with `--only two_sample_test,kfold_tagging`, runs of
shipped studies at tiny size. After each, no process of the command may be left after 10 s, and the
command that is repeated, or resumed, must give the results of one that was not interrupted, bit for
bit. The exit code is that of the number of failures being 0.

Commands are started by a fork of this process, which has imported everything: the kills then hit
the work, and not the seconds of the imports. Every fifth is started in a new interpreter.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import traceback
import uuid
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from types import ModuleType
from typing import Any

import yaml
from killed_studies import (
    FIRST,
    TINY,
    content,
    differences,
    run_folder,
    study_results,
)

from bunchtrain.cli import main
from bunchtrain.training import fit_by_gradient  # noqa: F401  # imported before the forks
from bunchtrain.workflow import run_study, tune  # noqa: F401

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "samples" / "boosted_jets.parquet"
SIGNALS = (signal.SIGKILL, signal.SIGTERM, signal.SIGINT)
#: Environment variable by which the processes of a command are found.
MARK = "BUNCHTRAIN_KILL_TEST"
#: Names of the commands that are killed.
NAMES = ("run", "processes", "tune", "generation", "predict", "export")
#: Seconds after which no process may be left.
LIMIT = 10.0

DENSE = {"model": {"name": "dense_network", "widths": [8]}}
STUDY: dict[str, Any] = {
    "name": "tiny",
    "source": {"name": "files", "files": str(SAMPLE)},
    "targets": {"jet": {"classes": {"qcd": "is_top == 0", "top": "is_top == 1"}}},
    "split": {"name": "fraction", "train": 0.6, "validation": 0.2, "test": 0.2, "key": "event_id"},
    "representation": {"name": "table", "features": ["jet_mass", "jet_pt"]},
    "training": {"epochs": 4, "batch_size": 256, "threads": 1},
    "models": {"trees": {"model": {"name": "boosted_trees", "trees": 10}}, "dense": DENSE},
    "ensembles": {"both": {"by": "trained"}},
    "evaluation": ["classification"],
}
SIMULATION = {
    **{key: STUDY[key] for key in ("targets", "representation")},
    "name": "simulated",
    "source": {"name": "boosted_jets", "jets": 30, "part": 10, "processes": 2},
    "training": {"epochs": 1, "threads": 1},
    **DENSE,
}


@dataclass
class Command:
    """A command, how it is continued, and what it writes.

    words     arguments of `bunchtrain`.
    study     name of the study that it runs, `*` for the only one.
    again     returns the arguments that continue it in a folder.
    results   returns what it has written in a folder, to be compared.
    seconds   duration without interruption.
    expected  results without interruption.
    """

    words: list[str]
    again: Callable[[Path], list[str]]
    results: Callable[[Path], Any]
    study: str = "*"
    seconds: float = 0.0
    expected: Any = None


def resume(words: list[str], study: str = "*") -> Callable[[Path], list[str]]:
    """Return the function that gives the arguments to resume a run, or to start it."""

    def again(place: Path) -> list[str]:
        found = run_folder(place, study)
        return ["run", "--resume", str(found)] if found else words

    return again


def search_results(place: Path) -> Any:
    """Return the best values and the finished trials of a search, without their numbers."""
    rows = [
        line.split(",")[1:] for line in (place / "search" / "trials.csv").read_text().splitlines()
    ]
    return (place / "search" / "best.yaml").read_text(), rows


def export_results(place: Path) -> Any:
    """Return the exported network and whether it was verified."""
    holds = json.loads((place / "exported" / "verification.json").read_text())["holds"]
    return holds, content(place / "exported" / "network.json")


def sample_results(place: Path) -> dict[str, str]:
    """Return the contents of the simulated files."""
    return {
        path.relative_to(place).as_posix(): content(path)
        for path in sorted(place.glob("cache/samples/*/*.parquet"))
    }


def commands(folder: Path, run: Path | None) -> dict[str, Command]:
    """Return name → command; those that need a finished run are given it."""
    study, simulation = str(folder / "tiny.yaml"), str(folder / "simulated.yaml")
    search = ["tune", study, "--only", "dense", "--engine", "local", "--trials", "3"]
    search += ["training.epochs=2", "--folder", "search"]
    train = ["run", study, "--jobs", "1"]
    processes = ["run", study, "--jobs", "2"]
    generate = ["run", simulation]
    found = {
        "run": Command(train, resume(train), study_results),
        "processes": Command(processes, resume(processes), study_results),
        "tune": Command(search, lambda _: search, search_results),
        "generation": Command(
            generate, resume(generate), lambda place: study_results(place) | sample_results(place)
        ),
    }
    for name, changes in TINY.items():
        words = ["run", name, *changes, "--jobs", "1"]
        found[name] = Command(
            words, resume(words, name), partial(study_results, study=name), study=name
        )
    if run is not None:
        predict = ["predict", str(run), str(SAMPLE), "-o", "scores.parquet"]
        export = ["export", str(run), "--to", "cpp", "--model", "dense", "-o", "exported"]
        found["predict"] = Command(predict, lambda _: predict, lambda p: content(p / predict[-1]))
        found["export"] = Command(export, lambda _: export, export_results)
    return found


def start(words: list[str], place: Path, mark: str, *, fork: bool) -> int:
    """Start a command in a folder and return the number of its process."""
    place.mkdir(parents=True, exist_ok=True)
    env = {**os.environ, MARK: mark, "BUNCHTRAIN_CACHE": str(place / "cache")}
    log = os.open(place / "log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    if not fork:
        with os.fdopen(log, "wb") as file:
            return subprocess.Popen(
                [sys.executable, "-m", "bunchtrain", *words],
                cwd=place,
                env=env,
                stdout=file,
                stderr=file,
                preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
            ).pid
    child = os.fork()
    if child:
        os.close(log)
        return child
    code = 1
    try:
        for number in (1, 2):
            os.dup2(log, number)
        os.chdir(place)
        os.environ |= env
        # Processes of a pool import the main module, which is small in the case of the command.
        sys.modules["__main__"] = ModuleType("__main__")
        sys.argv = ["bunchtrain", *words]
        signal.signal(signal.SIGINT, signal.default_int_handler)
        main()
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1
    except BaseException:
        traceback.print_exc()
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def ticks(seconds: float, step: float) -> Iterator[float]:
    """Yield the seconds that have passed, every `step`; a pause of the machine counts 1 s only."""
    passed, last = 0.0, time.monotonic()
    while passed < seconds:
        yield passed
        time.sleep(step)
        now = time.monotonic()
        passed, last = passed + min(now - last, 1.0), now


def wait(child: int, seconds: float) -> int | None:
    """Return the exit code of a process, None if it has not ended in time."""
    for _ in ticks(seconds, 0.02):
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
    return None


def left(mark: str) -> list[str]:
    """Return the processes of a command that still exist."""
    found = []
    for path in Path("/proc").glob("[0-9]*"):
        try:
            if f"{MARK}={mark}".encode() in (path / "environ").read_bytes():
                found.append((path / "cmdline").read_bytes().replace(b"\0", b" ").decode()[:120])
        except OSError:
            continue
    return found


def complete(words: list[str], place: Path) -> float:
    """Return the seconds of a command; raises RuntimeError, with its output, if it fails."""
    child, code = start(words, place, "", fork=True), None
    for passed in ticks(600, 0.02):
        if (code := wait(child, 0.01)) == 0:
            return passed
        if code is not None:
            break
    raise RuntimeError(f"exit code {code}: {(place / 'log').read_text()[-400:]}")


def begin(name: str, place: Path, folder: Path) -> None:
    """Put the finished run that a study reads, if any, into the folder of its run."""
    if name in FIRST:
        first = folder / "first" / FIRST[name]
        if not first.is_dir():
            complete(["run", FIRST[name], *TINY[FIRST[name]], "--jobs", "1"], first)
        shutil.copytree(first / "runs", place / "runs")


def kill(
    command: Command, place: Path, number: int, delay: float, *, fork: bool
) -> tuple[str, bool]:
    """Kill a command after a delay; return what is wrong, '' if nothing is, and if it still ran."""
    mark = uuid.uuid4().hex
    child = start(command.words, place, mark, fork=fork)
    code = wait(child, delay)
    return _continue(command, place, number, mark, child, code), code is None


def _continue(
    command: Command, place: Path, number: int, mark: str, child: int, code: int | None
) -> str:
    """End a command by a signal, unless it has an exit code, and continue it."""
    if code is None:
        os.kill(child, number)
        code = wait(child, 60)
        if code is None:
            os.kill(child, signal.SIGKILL)
            wait(child, 60)
            return "it does not end after the signal"
        if code not in (0, -number, 128 + number):
            return f"exit code {code}: {(place / 'log').read_text()[-300:]}"
    orphans: list[str] = []
    for _ in ticks(LIMIT, 0.1):
        if not (orphans := left(mark)):
            break
    if orphans:
        return f"processes are left: {orphans}"
    text = (place / "log").read_text()
    if "Traceback" in text and "in main" in text:  # else Python had not yet begun the command
        return f"traceback: {text[-600:]}"
    folder = run_folder(place, command.study)
    if folder and number != signal.SIGKILL and code == 128 + number:
        state = json.loads((folder / "status.json").read_text())["state"]
        if state == "running":
            return "the state is still 'running'"
    try:
        complete(command.again(place), place)
        found = command.results(place)
    except (RuntimeError, OSError, AssertionError, KeyError, ValueError) as problem:
        return f"after the kill: {problem!r}"
    wrong = differences(command.expected, found)
    return f"the results differ: {wrong}" if wrong else ""


def references(folder: Path, only: list[str]) -> dict[str, Command]:
    """Return the chosen commands with their results and durations without interruption."""
    for study in (STUDY, SIMULATION):
        (folder / f"{study['name']}.yaml").write_text(yaml.safe_dump(study, sort_keys=False))
    measured: dict[str, Command] = {}
    run: Path | None = None
    needed = [*only, "run"] if {"predict", "export"} & set(only) else only
    while todo := [n for n in commands(folder, run) if n in needed and n not in measured]:
        for name in todo:
            command, place = commands(folder, run)[name], folder / "reference" / name
            begin(name, place, folder)
            command.seconds = complete(command.words, place)
            command.expected = command.results(place)
            measured[name] = command
            print(f"{name}: {command.seconds:.1f} s without interruption", flush=True)
        run = run_folder(folder / "reference" / "run")
    return {name: command for name, command in measured.items() if name in only}


def kill_all(count: int, seed: int, folder: Path, only: list[str]) -> int:
    """Kill commands in turn, print a table of the outcomes and return the number of failures."""
    measured, rng = references(folder, only), random.Random(seed)
    outcomes: Counter[tuple[str, str, bool]] = Counter()
    running = 0
    for index in range(count):
        name = list(measured)[index % len(measured)]
        number = SIGNALS[index // len(measured) % len(SIGNALS)]
        fork, place = index % 5 != 4, folder / f"{index}"
        startup = 0.0 if fork else 4.0
        delay = rng.uniform(0, 1.02 * measured[name].seconds + startup)
        begin(name, place, folder)
        problem, ran = kill(measured[name], place, number, delay, fork=fork)
        outcomes[name, number.name, not problem] += 1
        running += ran
        said = (problem or "identical") + ("" if ran else " (it had ended)")
        print(f"{index} {name} {number.name} after {delay:.1f} s: {said}", flush=True)
        if not problem:
            shutil.rmtree(place)
    for (name, kind, good), times in sorted(outcomes.items()):
        print(f"{name:16} {kind:8} {'identical' if good else 'FAILED':10} {times}")
    print(f"{running} of {count} commands had not ended before")
    return sum(times for (_, _, good), times in outcomes.items() if not good)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=200, help="number of kills")
    parser.add_argument("--seed", type=int, default=1, help="of the times")
    parser.add_argument("--only", default=",".join(NAMES), help="commands and studies")
    parser.add_argument("--folder", help="where the folders of failures remain")
    given = parser.parse_args()
    os.environ.setdefault("BUNCHTRAIN_DATA", str(ROOT / "shared" / "data"))
    with tempfile.TemporaryDirectory() as scratch:
        place = Path(given.folder or scratch).resolve()
        place.mkdir(parents=True, exist_ok=True)
        failures = kill_all(given.count, given.seed, place, given.only.split(","))
    print(f"{given.count} kills, {failures} failures")
    sys.exit(min(failures, 1))
