"""Jobs as arrays of Slurm.

All jobs of a call are tasks of one array; the commands lie in a file beside the logs, in a folder
that the nodes share. A task writes its exit code into a file there, so that no accounting database
is needed and a restart of the scheduler loses nothing; the queue is asked only for tasks that have
ended without one, such as those of a lost node.
"""

from __future__ import annotations

import os
import shlex
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Annotated

from pydantic import Field

from bunchtrain.files import write_text
from bunchtrain.parts.ranges import WorkerCount
from bunchtrain.workflow.executors._executor import (
    GRACE_PERIOD,
    Ending,
    Endings,
    Executor,
    Hooks,
    Job,
    last_lines,
)
from bunchtrain.workflow.executors._slurm_queue import cancel, end_of_task, submit, unfinished

#: Seconds between two looks at the files of exit codes, and between two questions to the queue.
PERIOD, QUEUE_PERIOD = 0.5, 5.0
#: Seconds after which a task that has left the queue must have its exit code in the shared folder.
PATIENCE = 10.0
#: Tasks of an array; Slurm takes 1,001 unless it is configured otherwise (MaxArraySize).
ARRAY = 1000
_SCRIPT = """#!/bin/sh
# The line of this task in the file of commands; its exit code becomes a file, by renaming.
sh -c "$(sed -n "$((SLURM_ARRAY_TASK_ID + 1))p" {folder}/commands)"
code=$?
echo $code > {folder}/part-$SLURM_ARRAY_TASK_ID
mv {folder}/part-$SLURM_ARRAY_TASK_ID {folder}/code-$SLURM_ARRAY_TASK_ID
exit $code
"""
#: Exit codes of a program that Slurm has told to end, whether it handles the signal or not.
_STOPPED = (130, 143)
#: State in which a task ended → what that means.
_CAUSES = {
    "TIMEOUT": "reached its time limit; set 'executor.time' to a longer one",
    "OUT_OF_MEMORY": "ran out of memory; raise 'executor.memory'",
    "CANCELLED": "was cancelled in the queue",
    "DEADLINE": "reached its deadline in the queue",
    "NODE_FAIL": "was lost with its node",
    "PREEMPTED": "was stopped for another job of the queue",
}
Time = Annotated[str, Field(pattern=r"^(\d+-)?\d+(:\d+){0,2}$")]
Memory = Annotated[str, Field(pattern=r"^\d+[KMGT]?$")]


class Slurm(Executor):
    """Jobs as tasks of Slurm arrays, whose nodes share cache and run folder.

    partition  of the nodes; the cluster's default if unset.
    time       limit for each job, `02:00:00`; the partition's if unset.
    memory     of each job, `4G`; the cluster's default if unset.
    cpus       CPUs of each job, and its threads.
    workers    number of jobs at the same time.
    options    of `sbatch` beside these, `[--account=higgs, --gres=gpu:1]`.
    """

    is_remote = True

    def __init__(
        self,
        *,
        partition: str | None = None,
        time: Time | None = None,
        memory: Memory | None = None,
        cpus: WorkerCount = 1,
        workers: WorkerCount = 16,
        options: list[str] | None = None,
    ) -> None:
        self.workers, self.cpus = workers, cpus
        given = {"partition": partition, "time": time, "mem": memory, "cpus-per-task": cpus}
        self.flags = [f"--{key}={value}" for key, value in given.items() if value is not None]
        self.flags += options or []

    def endings(self, jobs: Sequence[Job], hooks: Hooks) -> Endings:
        """Start jobs and yield each when it has ended; those that run are stopped on closing."""
        shared = Path(os.path.commonpath([job.log.parent.absolute() for job in jobs]))
        _cancel_left(shared)
        for first in range(0, len(jobs), ARRAY):
            some = jobs[first : first + ARRAY]
            folder = Path(tempfile.mkdtemp(prefix=".slurm-", dir=shared))
            array = ""
            try:
                array = self._submit(folder, some)
                for job in some:
                    hooks.start(job)
                yield from _wait(folder, array, some, hooks)
            finally:
                if array and unfinished(array):
                    cancel(array, GRACE_PERIOD)
                shutil.rmtree(folder, ignore_errors=True)

    def _submit(self, folder: Path, jobs: Sequence[Job]) -> str:
        """Submit an array and return its number; it is written down for a later run."""
        lines = (_line(job, self.cpus) for job in jobs)
        write_text(folder / "commands", "".join(f"{line}\n" for line in lines))
        write_text(folder / "script", _SCRIPT.format(folder=shlex.quote(str(folder))))
        for job in jobs:
            job.log.unlink(missing_ok=True)
        tasks = f"--array=0-{len(jobs) - 1}%{self.workers}"
        name = f"--job-name=bunchtrain-{jobs[0].name}"
        output = f"--output={folder}/said-%a"
        array = submit([*self.flags, tasks, name, output, str(folder / "script")])
        write_text(folder / "array", array)
        return array


def _line(job: Job, cpus: int) -> str:
    variables = [f"{key}={value}" for key, value in job.environment(cpus).items()]
    command = shlex.join(["env", *variables, *job.command])
    return f"exec {command} > {shlex.quote(str(job.log.absolute()))} 2>&1 < /dev/null"


def _wait(folder: Path, array: str, jobs: Sequence[Job], hooks: Hooks) -> Endings:
    """Yield the jobs of an array as they end."""
    running = dict(enumerate(jobs))
    gone: dict[int, float] = {}  # task → when it was first missed in the queue
    asked = time.monotonic()
    while running:
        time.sleep(PERIOD)
        hooks.wait()
        for task, code in list(_codes(folder, running)):
            yield running.pop(task), _ending(folder, array, task, code)
        if running and time.monotonic() > asked + QUEUE_PERIOD:
            asked = time.monotonic()
            queued = unfinished(array)
            if queued is None:  # the scheduler does not answer, e.g. while it is restarted
                continue
            gone = {task: gone.get(task, asked) for task in running if task not in queued}
            for task in [one for one, since in gone.items() if asked >= since + PATIENCE]:
                if not (folder / f"code-{task}").is_file():
                    yield running.pop(task), _lost(folder, array, task)


def _codes(folder: Path, tasks: dict[int, Job]) -> Iterator[tuple[int, int]]:
    os.listdir(folder)  # refreshes what NFS remembers of the folder
    for task in tasks:
        with suppress(FileNotFoundError):
            yield task, int((folder / f"code-{task}").read_text())


def _ending(folder: Path, array: str, task: int, code: int) -> Ending:
    """Return the ending of a task from the exit code of its shell: 128 + signal after a signal."""
    stopped = _stopped(folder, array, task) if code in _STOPPED else None
    if stopped is not None:
        return stopped
    return Ending.of_process(128 - code) if code > 128 and code not in _STOPPED else Ending(code)


def _stopped(folder: Path, array: str, task: int) -> Ending | None:
    """Return the ending of a task that the scheduler says it has stopped, else None."""
    state, node = end_of_task(array, task)
    if state not in _CAUSES:
        return None
    said = last_lines(folder / f"said-{task}", 1)
    where = f" on node {node}" if node else ""
    text = f"{_CAUSES[state]}{where}{f': {said}' if said else ''}"
    return Ending(1, text, again=state not in ("TIMEOUT", "CANCELLED", "DEADLINE"))


def _lost(folder: Path, array: str, task: int) -> Ending:
    """Return the ending of a task that has left the queue without an exit code."""
    return _stopped(folder, array, task) or Ending(1, "was lost by the queue")


def _cancel_left(shared: Path) -> None:
    """Cancel the arrays of a run that was killed: their jobs would write into the same files."""
    for folder in shared.glob(".slurm-*"):
        with suppress(FileNotFoundError):
            cancel((folder / "array").read_text().strip(), GRACE_PERIOD)
        shutil.rmtree(folder, ignore_errors=True)
