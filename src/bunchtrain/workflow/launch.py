"""Runs in several processes of torchrun or Slurm: worker 0 does the run, the others train."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bunchtrain.child_processes import cores
from bunchtrain.errors import MachineError, StudyError
from bunchtrain.files import write_text
from bunchtrain.methods.memory_limit import machine_memory
from bunchtrain.study import Study, model_configs
from bunchtrain.training.workers import WorkerInfo
from bunchtrain.workflow.folder import RunFolder

#: Seconds that a worker waits for worker 0 to create the folder of the run.
TIMEOUT = 600.0
_STARTED = time.time()


def is_leader() -> bool:
    """Return whether this process does the run: the only one, or worker 0."""
    return WorkerInfo.from_environment().rank == 0


def check_engines(study: Study) -> None:
    """Raise StudyError for processes of another engine than `processes`, or an absent device."""
    worker = WorkerInfo.from_environment()
    for name, model in model_configs(study).items():
        if worker.world_size > 1 and model.training.engine.name != "processes":
            raise StudyError(
                f"{worker.launcher} started {worker.world_size} processes, but '{name}' trains on "
                f"the engine '{model.training.engine.name}': set training.engine=processes"
            )
        if model.training.device != "auto" and model.training.engine.name != "ray":
            from bunchtrain.training.devices import check_device  # torch takes a second to import

            workers = model.training.engine.options.get("workers", 2)
            is_alone = model.training.engine.name == "local" or worker.world_size > 1
            check_device(model.training.device, 1 if is_alone else workers)


def check_machine(study: Study) -> None:
    """Raise StudyError for more threads or memory than this machine has, if it does the run."""
    if study.executor.name in ("sequential", "processes"):
        total = machine_memory()
        if study.storage.memory > total:
            raise StudyError(
                f"storage.memory is {study.storage.memory / 1e9:.3g} GB and this machine has "
                f"{total / 1e9:.3g} GB; give at most half of that"
            )
        for name, model in model_configs(study).items():
            threads = model.training.threads or 1
            if model.training.engine.name != "ray" and threads > cores():
                raise StudyError(
                    f"training.threads is {threads} for '{name}' and this machine has {cores()} "
                    "cores; give no more than that, or leave it out to use all"
                )


def announce(folder: RunFolder) -> None:
    """Write the folder of the run for the other workers, on the shared file system."""
    if WorkerInfo.from_environment().world_size > 1:
        write_text(_notice(folder.path.parent), str(folder.path.resolve()))


def join(parent: Path) -> RunFolder:
    """Return the folder that worker 0 has announced under `parent`.

    Raises MachineError if none is announced in time.
    """
    notice = _notice(parent)
    deadline = time.monotonic() + TIMEOUT
    while time.monotonic() < deadline:
        # A notice from long before this process is that of an earlier launch of the same name.
        if notice.is_file() and notice.stat().st_mtime > _STARTED - 60:
            return RunFolder.open(notice.read_text(encoding="utf-8"))
        time.sleep(0.2)
    raise MachineError(f"worker 0 has announced no run in {notice} for {TIMEOUT:.0f} s")


def _notice(parent: Path) -> Path:
    env = os.environ
    words = ("SLURM_JOB_ID", "SLURM_STEP_ID", "TORCHELASTIC_RUN_ID", "MASTER_PORT")
    return parent / f".launch-{'-'.join(env.get(word, '') for word in words)}"
