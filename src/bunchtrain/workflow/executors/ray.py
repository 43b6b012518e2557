"""Jobs as tasks of a Ray cluster, on a running one or one that is started here."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from bunchtrain.child_processes import child_environment
from bunchtrain.parts.ranges import WorkerCount
from bunchtrain.training.cluster import connect_to_ray
from bunchtrain.workflow.executors._executor import (
    GRACE_PERIOD,
    Ending,
    Endings,
    Executor,
    Hooks,
    Job,
    environment_to_send,
)

#: Seconds between two looks at the tasks.
_PERIOD = 0.2


class Ray(Executor):
    """Jobs as tasks of a Ray cluster, whose nodes share cache and run folder (arXiv:1712.05889).

    address  of a running cluster, `auto` or `ray://host:10001`; one is started here if unset.
    workers  number of jobs at the same time.
    cpus     CPUs of each job, and its threads.
    """

    is_remote = True

    def __init__(
        self, *, address: str | None = None, workers: WorkerCount = 2, cpus: WorkerCount = 1
    ) -> None:
        self.address, self.workers, self.cpus = address, workers, cpus

    def endings(self, jobs: Sequence[Job], hooks: Hooks) -> Endings:
        """Start jobs and yield each when it has ended; those that run are stopped on closing."""
        waiting, running = list(jobs), dict[Any, Job]()
        with connect_to_ray(self.address, self.workers * self.cpus, "the executor 'ray'") as ray:
            task = ray.remote(max_retries=0, num_cpus=self.cpus)(_work)
            try:
                while waiting or running:
                    while waiting and len(running) < self.workers:
                        job = waiting.pop(0)
                        running[self._start(task, job)] = job
                        hooks.start(job)
                    done, _ = ray.wait(list(running), timeout=_PERIOD)
                    hooks.wait()
                    for one in done:
                        yield running.pop(one), _ending(ray, one)
            finally:
                _cancel(ray, list(running))

    def _start(self, task: Any, job: Job) -> Any:
        more = {**environment_to_send(), **job.environment(self.cpus)}
        return task.remote(list(job.command), str(job.log.absolute()), os.getcwd(), more)


def _ending(ray: Any, reference: Any) -> Ending:
    try:
        return Ending.of_process(ray.get(reference))
    except ray.exceptions.RayError as problem:  # the worker or its node is lost
        first = next(iter(str(problem).strip().splitlines()), type(problem).__name__)
        return Ending(1, f"was lost with its Ray worker ({first[:100]})")


def _cancel(ray: Any, running: list[Any]) -> None:
    if not running:
        return
    for one in running:
        ray.cancel(one)
    _, left = ray.wait(running, num_returns=len(running), timeout=GRACE_PERIOD)
    for one in left:
        ray.cancel(one, force=True)


def _work(command: list[str], log: str, folder: str, variables: Mapping[str, str]) -> int:
    """Run a command on a worker of the cluster and return its exit code."""
    Path(log).parent.mkdir(parents=True, exist_ok=True)
    with open(log, "wb") as output:
        process = subprocess.Popen(
            command,
            cwd=folder,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            env={**os.environ, **variables, **child_environment()},
            start_new_session=True,
        )
        try:
            while process.poll() is None:  # a cancellation does not end a wait for the process
                time.sleep(_PERIOD)
            return process.returncode
        except BaseException:  # the task was cancelled
            os.killpg(process.pid, signal.SIGINT)
            try:
                process.wait(GRACE_PERIOD)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            raise
