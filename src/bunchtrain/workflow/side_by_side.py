"""Several members of a run at once, each in a process of its own."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence

from bunchtrain.errors import BunchtrainError, InterruptedRun, MachineError
from bunchtrain.study import Study, model_configs
from bunchtrain.training.failure import forget_failure, raise_failure
from bunchtrain.workflow.board import Board
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.room import cores

Process = subprocess.Popen[bytes]

#: Seconds that members have to end after Ctrl-C.
PATIENCE = 20.0


def side_by_side(
    folder: RunFolder, study: Study, names: Sequence[str], jobs: int, resume: bool
) -> dict[str, BunchtrainError]:
    """Train and predict members, `jobs` of them at once, and return those that failed.

    Raises InterruptedRun on Ctrl-C, when all have stopped.
    """
    waiting, running = list(names), dict[str, Process]()
    failures: dict[str, BunchtrainError] = {}
    with Board(folder, study, len(names)) as board:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    name = waiting.pop(0)
                    running[name] = _start(folder, study, name, jobs, resume)
                    board.begin(name)
                time.sleep(0.1)
                board.update()
                for name in _ended(running):
                    problem = _problem(folder, name, _closed(running.pop(name)))
                    failures |= {name: problem} if problem else {}
                    board.end(name, problem)
        finally:
            _stop(running)
    return failures


def _start(folder: RunFolder, study: Study, name: str, jobs: int, resume: bool) -> Process:
    place = folder.model(name)
    place.mkdir(parents=True, exist_ok=True)
    forget_failure(str(place))
    flags = ["--resume"] if resume else []
    command = [sys.executable, "-m", "bunchtrain.workflow.job", str(folder.path), name, *flags]
    threads = model_configs(study)[name].training.threads or max(1, cores() // jobs)
    with (place / "job.log").open("wb") as log:
        # In a group of its own, so that Ctrl-C reaches a member once, from us.
        return subprocess.Popen(
            command,
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            env={**os.environ, "OMP_NUM_THREADS": str(threads)},
            start_new_session=True,
        )


def _ended(running: Mapping[str, Process]) -> list[str]:
    return [name for name, process in running.items() if process.poll() is not None]


def _closed(process: Process) -> int:
    """Let go of a process that has ended, and return its exit code."""
    if process.stdin:
        process.stdin.close()
    return process.wait()


def _problem(folder: RunFolder, name: str, code: int) -> BunchtrainError | None:
    """Return why a member has not finished; None if it has.

    Raises InterruptedRun if it was interrupted.
    """
    if code == 0:
        return None
    place = folder.model(name)
    try:
        raise_failure(str(place))
    except InterruptedRun:
        raise
    except BunchtrainError as problem:
        return problem
    cause = f"was killed by signal {-code}, often for lack of memory" if code < 0 else "stopped"
    return MachineError(f"its process {cause}; its last words are in {place / 'job.log'}")


def _stop(running: Mapping[str, Process]) -> None:
    for process in running.values():
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + PATIENCE
    for process in running.values():
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        _closed(process)
