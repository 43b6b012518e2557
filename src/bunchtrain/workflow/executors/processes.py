"""Jobs in processes on this machine."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence

from bunchtrain.child_processes import child_environment, cores
from bunchtrain.parts.ranges import WorkerCount
from bunchtrain.workflow.executors._executor import (
    GRACE_PERIOD,
    Ending,
    Endings,
    Executor,
    Hooks,
    Job,
)

Process = subprocess.Popen[bytes]
#: Seconds between two looks at the processes.
_PERIOD = 0.1


class Processes(Executor):
    """Jobs in processes on this machine.

    workers  number of jobs at the same time; the cores are shared among them.
    """

    def __init__(self, *, workers: WorkerCount = 2) -> None:
        self.workers = workers

    def endings(self, jobs: Sequence[Job], hooks: Hooks) -> Endings:
        """Start jobs and yield each when it has ended; those that run are stopped on closing."""
        waiting, running = list(jobs), dict[Job, Process]()
        try:
            while waiting or running:
                while waiting and len(running) < self.workers:
                    job = waiting.pop(0)
                    running[job] = self._start(job)
                    hooks.start(job)
                time.sleep(_PERIOD)
                hooks.wait()
                for job in [one for one, process in running.items() if process.poll() is not None]:
                    yield job, Ending.of_process(running.pop(job).wait())
        finally:
            _stop(running)

    def _start(self, job: Job) -> Process:
        more = job.environment(max(1, cores() // self.workers)) | child_environment()
        with job.log.open("wb") as log:
            # In its own process group, so that Ctrl-C reaches it once, from this process.
            return subprocess.Popen(
                job.command,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                env={**os.environ, **more},
                start_new_session=True,
            )


def _stop(running: Mapping[Job, Process]) -> None:
    for process in running.values():
        if process.poll() is None:
            os.killpg(process.pid, signal.SIGINT)
    deadline = time.monotonic() + GRACE_PERIOD
    for process in running.values():
        try:
            process.wait(max(0.0, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
