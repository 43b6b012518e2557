"""Child processes that end when their parent is killed.

`python -m bunchtrain.child_processes MODULE [ARGUMENT]...` runs a module in such a process, which
is bound to its parent before the module's imports begin.
"""

from __future__ import annotations

import ctypes
import os
import runpy
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from multiprocessing import get_context
from multiprocessing.context import BaseContext
from pathlib import Path

from bunchtrain.errors import UserError

#: Environment variable of a Python process started here: the number of its parent process.
_PARENT = "BUNCHTRAIN_PARENT_PROCESS"
_PR_SET_PDEATHSIG = 1  # see prctl(2)


def child_environment() -> dict[str, str]:
    """Return the environment variable from which `end_with_parent` takes its parent."""
    return {_PARENT: str(os.getpid())}


def child_command(module: str, *arguments: str) -> list[str]:
    """Return the command that runs a module in a child process, with `child_environment`."""
    return [sys.executable, "-m", "bunchtrain.child_processes", module, *arguments]


def end_with_parent(parent: int | None = None) -> None:
    """Kill this process as soon as its parent has ended, in whatever way.

    parent  number of the parent process; that of `child_environment` if None.

    The kernel does it on Linux; elsewhere, a thread looks once a second. Files are written
    atomically, so that nothing is lost but the work since the last one.
    """
    expected = int(os.environ.get(_PARENT, os.getppid())) if parent is None else parent
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGKILL)
        if os.getppid() != expected:  # it ended before the call
            os._exit(1)
    else:
        threading.Thread(target=_wait_for_end, args=(expected,), daemon=True).start()


def begin_worker(parent: int) -> None:
    """Prepare a process of a pool: it ends with its parent, which alone reports Ctrl-C."""
    end_with_parent(parent)
    signal.signal(signal.SIGINT, signal.SIG_DFL)


def spawn_context() -> BaseContext:
    """Return how the processes of a pool are started: as new ones, which import the user's script.

    Raises UserError for a script that is run from its first to its last line when it is imported,
    so that each process would start others.
    """
    main = sys.modules["__main__"]
    path = Path(getattr(main, "__file__", None) or os.devnull)
    is_script = getattr(main, "__spec__", None) is None and path.is_file()
    if is_script and "__main__" not in path.read_text(encoding="utf-8", errors="replace"):
        raise UserError(
            f"{path}: new processes import this script, which would start itself again; put its "
            'work under `if __name__ == "__main__":`, or use one process'
        )
    return get_context("spawn")


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _wait_for_end(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(1)
    os._exit(1)


def run_program(
    command: Sequence[str],
    folder: Path,
    *,
    environment: Mapping[str, str] | None = None,
    timeout: float | None = None,
    errors: int = subprocess.PIPE,
) -> subprocess.CompletedProcess[str]:
    """Run a program to its end and return its exit code and output.

    The program and its own children are killed when this process ends or after the timeout.

    command      program and arguments.
    folder       working directory.
    environment  variables; those of this process if None.
    timeout      in seconds; raises subprocess.TimeoutExpired after it.
    errors       subprocess.PIPE, or subprocess.STDOUT for both streams together.
    """
    supervisor = Path(__file__).with_name("supervisor.py")
    process = subprocess.Popen(
        [sys.executable, "-IS", str(supervisor), str(os.getpid()), *command],
        cwd=folder,
        env=None if environment is None else dict(environment),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
        errors="replace",
    )
    try:
        output, messages = process.communicate(timeout=timeout)
    except BaseException:
        process.terminate()
        process.communicate()
        raise
    return subprocess.CompletedProcess(command, process.returncode, output, messages)


if __name__ == "__main__":
    end_with_parent()
    del sys.argv[0]
    runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
