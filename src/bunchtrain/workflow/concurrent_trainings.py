"""Concurrent trainings: several models of a run, each in its own process."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bunchtrain import parts
from bunchtrain.child_processes import child_command, child_environment
from bunchtrain.errors import BunchtrainError, InterruptedRun, MachineError
from bunchtrain.methods.task import is_on_arrays
from bunchtrain.study import Study, model_configs
from bunchtrain.training.workers import clear_failure, raise_failure
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.stage import Stage
from bunchtrain.workflow.live_progress import LiveProgress

Process = subprocess.Popen[bytes]

#: Seconds that processes have to end after Ctrl-C.
GRACE_PERIOD = 20.0
_MEMORY = Path("/proc/meminfo")


def max_concurrent_trainings(study: Study) -> int:
    """Return how many models of a study can be trained at the same time, at least 1.

    The cores are shared by `training.threads`, and each model counts with twice
    `storage.memory`. Models whose threads are not set use all cores, and those on an accelerator
    or on another engine than `local` use the machine alone, so they are trained in turn.
    """
    chosen = [model.training for model in model_configs(study).values()]
    alone = _uses_gpu(study) or any(t.engine.name != "local" for t in chosen)
    if alone or not all(training.threads for training in chosen):
        return 1
    threads = max(training.threads or 1 for training in chosen)
    by_memory = available_memory() // (2 * study.storage.memory)
    return max(1, min(cores() // threads, by_memory, len(chosen)))


def _uses_gpu(study: Study) -> bool:
    """Return whether a network of a study is trained on a GPU."""
    if not any(
        model.training.device != "cpu"
        and not (model.kind == "model" and is_on_arrays(parts.find("model", model.model.name)))
        for model in model_configs(study).values()
    ):
        return False
    import torch

    return torch.cuda.is_available()


def cores() -> int:
    """Return the number of CPU cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def available_memory() -> int:
    """Return the free memory in bytes; the total where the system does not report it."""
    if _MEMORY.is_file():
        found = re.search(r"MemAvailable:\s*(\d+) kB", _MEMORY.read_text())
        if found:
            return int(found[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def run_concurrently(
    folder: RunFolder, study: Study, stages: Sequence[Stage], jobs: int, resume: bool
) -> dict[str, BunchtrainError]:
    """Run stages outside this process, at most `jobs` at a time; return stage → why it failed.

    The predictions of a model are made by the process of its training. Raises InterruptedRun on
    Ctrl-C, when all processes have ended.
    """
    of_model = {stage.name.partition(".")[2]: stage.name for stage in stages}
    waiting, running = list(of_model), dict[str, Process]()
    failures: dict[str, BunchtrainError] = {}
    with LiveProgress(folder, study, len(of_model)) as progress:
        try:
            while waiting or running:
                while waiting and len(running) < jobs:
                    name = waiting.pop(0)
                    running[name] = _start(folder, study, name, of_model[name], jobs, resume)
                    progress.begin(name)
                time.sleep(0.1)
                progress.update()
                for name in [n for n, one in running.items() if one.poll() is not None]:
                    problem = _problem(folder, name, running.pop(name).wait())
                    failures |= {of_model[name]: problem} if problem else {}
                    progress.end(name, problem)
        finally:
            _stop(running)
    return failures


def _start(
    folder: RunFolder, study: Study, name: str, stage: str, jobs: int, resume: bool
) -> Process:
    place = folder.model(name)
    place.mkdir(parents=True, exist_ok=True)
    clear_failure(str(place))
    names = [stage, f"predict.{name}"] if stage == f"train.{name}" else [stage]
    module = "bunchtrain.workflow.stage_process"
    command = child_command(module, str(folder.path), str(place), *names)
    threads = model_configs(study)[name].training.threads or max(1, cores() // jobs)
    with (place / "job.log").open("wb") as log:
        # In its own process group, so that Ctrl-C reaches it once, from this process.
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            env={**os.environ, **child_environment(), "OMP_NUM_THREADS": str(threads)},
            start_new_session=True,
        )


def _problem(folder: RunFolder, name: str, code: int) -> BunchtrainError | None:
    """Return why a training failed; None if it has finished.

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
    return MachineError(f"its process {cause}; its output is in {place / 'job.log'}")


def _stop(running: Mapping[str, Process]) -> None:
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
