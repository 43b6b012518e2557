"""The interface of executors: jobs that are commands, and how each of them ended.

A job reports an error of the user in a file beside its log (`training.workers.record_failure`). A
job whose process died, by a signal or with its machine, is run once more, when the others have
ended and hence with the memory of the machine for itself.
"""

from __future__ import annotations

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Generator, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

from bunchtrain.errors import BunchtrainError, InterruptedRun, MachineError, shorten
from bunchtrain.training.workers import clear_failure, raise_failure

#: Seconds that processes have to end after Ctrl-C.
GRACE_PERIOD = 20.0
#: Bytes at the end of a log in which its last lines are looked for.
_TAIL = 4096


@dataclass(frozen=True, eq=False)
class Job:
    """A command that is done when it ends with code 0.

    name     for messages.
    command  program and arguments, which end with their parent (`child_processes.child_command`).
    log      file of its output; an error of the user is recorded beside it.
    threads  CPU threads; the executor's if None.
    """

    name: str
    command: Sequence[str]
    log: Path
    threads: int | None = None

    def environment(self, threads: int) -> dict[str, str]:
        """Return its environment variables; `threads` is the number if the job has none."""
        return {"OMP_NUM_THREADS": str(self.threads or threads)}


@dataclass(frozen=True)
class Ending:
    """How the process of a job ended.

    code   exit code.
    cause  what ended it, if that was not the program itself: `was killed by signal 9`.
    again  whether it may end otherwise if it is run again.
    """

    code: int
    cause: str = ""
    again: bool = True

    @classmethod
    def of_process(cls, code: int) -> Ending:
        """Return that of a local process: the code is negative after a signal."""
        if code >= 0:
            return cls(code)
        return cls(code, f"was killed by signal {-code}, often for lack of memory")

    @property
    def is_death(self) -> bool:
        """Whether the program did not end by itself, and may end well another time."""
        return bool(self.cause) and self.again


Endings = Generator[tuple[Job, Ending], None, None]
OnEnd = Callable[[Job, BunchtrainError | None], None]


def _nothing(*_: object) -> None:
    """Do nothing."""


@dataclass(frozen=True)
class Hooks:
    """What an executor calls: `start` with each job at its start, `wait` again and again."""

    start: Callable[[Job], None]
    wait: Callable[[], None]


class Executor(ABC):
    """Runs jobs, at most `workers` of them at the same time."""

    workers: int
    #: Whether jobs run on other machines, so that a single one is worth it.
    is_remote: bool = False

    def run(
        self,
        jobs: Iterable[Job],
        on_end: OnEnd = _nothing,
        *,
        on_start: Callable[[Job], None] = _nothing,
        on_wait: Callable[[], None] = _nothing,
    ) -> dict[str, BunchtrainError]:
        """Run jobs and return job → why it failed; one that fails does not stop the others.

        on_end    called with each job that has ended and why it failed, None if it is done.
        on_start  called with each job that has been started, or that waits in a queue.
        on_wait   called again and again, to show the progress.

        Raises InterruptedRun on Ctrl-C or if a job was interrupted, when all have ended, UserError
        if the jobs are refused, and MachineError if the machines cannot be reached.
        """
        failures: dict[str, BunchtrainError] = {}
        waiting = list(jobs)
        for job in waiting:
            job.log.parent.mkdir(parents=True, exist_ok=True)
            clear_failure(str(job.log.parent))
        hooks = Hooks(on_start, on_wait)
        died = self._attempt(waiting, hooks, on_end, failures) if waiting else []
        for job in sorted(died, key=waiting.index):
            again = Hooks(_nothing, on_wait)
            self._attempt([job], again, on_end, failures, is_last=True)
        return failures

    def _attempt(
        self,
        jobs: Sequence[Job],
        hooks: Hooks,
        on_end: OnEnd,
        failures: dict[str, BunchtrainError],
        *,
        is_last: bool = False,
    ) -> list[Job]:
        """Run jobs, add why they failed to `failures`, and return those to run once more."""
        died = []
        with closing(self.endings(jobs, hooks)) as endings:
            for job, ending in endings:
                problem = _problem(job, ending)
                if problem is not None and ending.is_death and not is_last:
                    died.append(job)
                    continue
                failures.update({job.name: problem} if problem else {})
                on_end(job, problem)
        return died

    @abstractmethod
    def endings(self, jobs: Sequence[Job], hooks: Hooks) -> Endings:
        """Start jobs and yield each when it has ended; those that run are stopped on closing."""


def _problem(job: Job, ending: Ending) -> BunchtrainError | None:
    """Return why a job failed; None if it is done.

    Raises InterruptedRun if it was interrupted by a signal that it handled.
    """
    if not ending.code and not ending.cause:
        return None
    try:
        raise_failure(str(job.log.parent))
    except InterruptedRun:
        if not ending.cause:
            raise
    except BunchtrainError as problem:
        return problem
    cause = ending.cause or f"stopped with code {ending.code}"
    lines = last_lines(job.log)
    said = f"; it ended with: {lines}" if lines else ""
    return MachineError(f"its process {cause}{said}; its output is in {job.log}")


def last_lines(log: Path, count: int = 2) -> str:
    """Return the last lines of a log that have a text, as one short line; '' if there is none."""
    if not log.is_file():
        return ""
    with log.open("rb") as file:
        file.seek(max(0, log.stat().st_size - _TAIL))
        lines = file.read().decode(errors="replace").splitlines()
    found = [line.strip() for line in lines if line.strip()][-count:]
    return shorten(" ".join(found), 160, plain=True)


def environment_to_send() -> Mapping[str, str]:
    """Return the variables of this process that its jobs need on another machine."""
    names = ("PYTHONPATH", "PATH", "HOME", "LANG")
    own = {key: value for key, value in os.environ.items() if key.startswith("BUNCHTRAIN_")}
    own.pop("BUNCHTRAIN_PARENT_PROCESS", None)
    return own | {name: os.environ[name] for name in names if name in os.environ}
