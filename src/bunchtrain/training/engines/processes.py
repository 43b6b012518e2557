"""Data-parallel training in several processes, with gloo on CPUs and nccl on GPUs.

The workers of one machine are started here; under torchrun or Slurm's `srun`, on any number of
nodes, each of their processes is a worker itself (arXiv:2006.15704).
"""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import time
from contextlib import ExitStack
from pathlib import Path

from bunchtrain.child_processes import child_command, child_environment
from bunchtrain.errors import InterruptedRun, MachineError, StudyError
from bunchtrain.methods.task import Task
from bunchtrain.parts.ranges import WorkerCount
from bunchtrain.progress_events import stage_environment
from bunchtrain.training.workers import (
    EpochCallback,
    WorkerInfo,
    clear_failure,
    raise_failure,
    worker_environment,
)

Workers = list["subprocess.Popen[bytes]"]


class Processes:
    """Data-parallel training in several processes on one machine or many (arXiv:2006.15704).

    workers  processes to start on this machine; under torchrun and Slurm theirs are used.
    """

    def __init__(self, *, workers: WorkerCount = 2) -> None:
        if workers < 1:
            raise StudyError(f"training.engine.workers must be at least 1, got {workers}")
        self.workers = workers

    def run(self, task: Task, *, resume: bool, on_epoch: EpochCallback | None) -> None:
        """Train the task; the results are written into its folder.

        Raises what a worker raised, and MachineError if one was killed.
        """
        worker = WorkerInfo.from_environment()
        if worker.launcher != "none":
            from bunchtrain.training.fit import fit

            fit(task, worker, resume=resume, on_epoch=on_epoch)
            return
        if on_epoch is not None:
            raise StudyError("a search runs its trials on the engine 'local' or 'ray'")
        clear_failure(task.folder)
        flags = ["--resume"] if resume else []
        with ExitStack() as stack:
            workers = self._start(task, flags, stack)
            try:
                _wait(workers, task)
            except KeyboardInterrupt:
                for one in workers:  # SIGTERM reaches this process alone
                    one.send_signal(signal.SIGINT)
                _stop(workers, patience=20)
                raise InterruptedRun(
                    "training was interrupted; it can be resumed from its last complete epoch"
                ) from None
            finally:
                _stop(workers)

    def _start(self, task: Task, flags: list[str], stack: ExitStack) -> Workers:
        command = child_command("bunchtrain.training.fit", task.folder, *flags)
        port, threads = _free_port(), max(1, (os.cpu_count() or 1) // self.workers)
        workers = []
        for rank in range(self.workers):
            env = worker_environment(rank, self.workers, "127.0.0.1", port)
            env = {"OMP_NUM_THREADS": str(threads)} | dict(os.environ) | env | child_environment()
            env |= stage_environment()  # worker 0 reports the progress
            log = stack.enter_context(_log(task, rank).open("wb")) if rank else None
            workers.append(subprocess.Popen(command, env=env, stdout=log, stderr=log))
        return workers


def _wait(workers: Workers, task: Task) -> None:
    """Wait until all workers have succeeded; raise for the first that failed."""
    while any(worker.poll() is None for worker in workers):
        if any(worker.returncode for worker in workers):
            time.sleep(0.5)  # the others fail as a consequence: let the first one record the cause
            break
        time.sleep(0.05)
    codes = [worker.poll() or 0 for worker in workers]
    if not any(codes):
        return
    rank = min(range(len(codes)), key=lambda worker: codes[worker])  # a signal is negative
    if codes[rank] >= 0:
        raise_failure(task.folder)
    cause = f"was killed by signal {-codes[rank]}" if codes[rank] < 0 else "failed"
    log = f"; its messages are in {_log(task, rank)}" if rank else ""
    raise MachineError(
        f"worker {rank + 1} of {len(workers)} {cause}, often for lack of memory{log}; resume the "
        "run with fewer workers or a smaller 'storage.memory'"
    )


def _stop(workers: Workers, patience: float = 0.0) -> None:
    deadline = time.monotonic() + patience
    while any(worker.poll() is None for worker in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    for worker in workers:
        if worker.poll() is None:
            worker.kill()
        worker.wait()


def _log(task: Task, rank: int) -> Path:
    return Path(task.folder) / f"worker-{rank + 1}.log"


def _free_port() -> int:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port: int = found.getsockname()[1]
        return port
