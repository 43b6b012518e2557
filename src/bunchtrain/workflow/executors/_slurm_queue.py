"""The commands of Slurm: submission, what is in the queue, how a task ended, cancellation."""

from __future__ import annotations

import os
import re
import subprocess
import time
from collections.abc import Sequence

from bunchtrain.errors import MachineError, UserError

#: Seconds for which a scheduler that does not answer is asked again to take jobs.
SUBMISSION = 300.0
#: Seconds after which a command of Slurm is taken for one without an answer.
_TIMEOUT = 60.0
_NO_ANSWER = re.compile(r"contact slurm controller|timed out|Connection refused|unreachable", re.I)
_ENDED = {
    *("BOOT_FAIL", "CANCELLED", "COMPLETED", "DEADLINE", "FAILED", "NODE_FAIL"),
    *("OUT_OF_MEMORY", "PREEMPTED", "TIMEOUT", "REVOKED"),
}


def submit(arguments: Sequence[str]) -> str:
    """Submit an array with `sbatch` and return its number.

    Raises UserError with the reason if the queue refuses it, MachineError without a scheduler.
    """
    until = time.monotonic() + SUBMISSION
    while True:
        done = _call("sbatch", "--parsable", *arguments)
        if done.returncode == 0:
            return done.stdout.strip().partition(";")[0]
        said = " ".join(line.partition("error:")[2].strip() or line for line in _lines(done.stderr))
        if not _NO_ANSWER.search(said):
            raise UserError(f"Slurm refuses the jobs: {said}; change 'executor' in the study")
        if time.monotonic() > until:
            raise MachineError(f"Slurm's scheduler does not answer: {said}; resume the run later")
        time.sleep(5)


def unfinished(array: str) -> set[int] | None:
    """Return the tasks of an array that wait or run; None if the scheduler does not answer."""
    done = _call("squeue", "--noheader", "--array", f"--jobs={array}", "--format=%K %T")
    if done.returncode:
        return set() if "Invalid job id" in done.stderr else None
    states = (line.split() for line in _lines(done.stdout))
    return {int(task) for task, state in states if task.isdigit() and state not in _ENDED}


def end_of_task(array: str, task: int) -> tuple[str, str]:
    """Return the state in which a task ended and its node, '' if Slurm has forgotten them."""
    said = _call("scontrol", "show", "job", f"{array}_{task}").stdout
    state, node = (re.search(rf"\b{key}=(\S+)", said) for key in ("JobState", "NodeList"))
    return (state[1] if state else ""), (node[1] if node and node[1] != "(null)" else "")


def cancel(array: str, patience: float) -> None:
    """Cancel an array and wait until its tasks have ended, at most `patience` seconds."""
    _call("scancel", array)
    until = time.monotonic() + patience
    while unfinished(array) and time.monotonic() < until:
        time.sleep(0.5)


def _lines(text: str) -> list[str]:
    return [line.strip() for line in text.splitlines() if line.strip()]


def _call(*command: str) -> subprocess.CompletedProcess[str]:
    # The variables of an allocation in which this process runs are not those of its jobs.
    kept = {k: v for k, v in os.environ.items() if k != "BUNCHTRAIN_PARENT_PROCESS"}
    if "SLURM_CONF" in kept or "SLURM_JOB_ID" in kept:
        kept = {k: v for k, v in kept.items() if k == "SLURM_CONF" or not k.startswith("SLURM_")}
    try:
        return subprocess.run(
            command,
            env=kept,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_TIMEOUT,
            check=False,
            start_new_session=True,
        )
    except FileNotFoundError:
        raise MachineError(
            f"'{command[0]}' is not found: run this where Slurm takes jobs, or choose another "
            "'executor', e.g. processes"
        ) from None
    except subprocess.TimeoutExpired:
        return subprocess.CompletedProcess(command, 1, "", "the command timed out")
