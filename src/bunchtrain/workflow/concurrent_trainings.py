"""Concurrent trainings: several models of a run, each in its own process."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from bunchtrain import parts
from bunchtrain.child_processes import child_command, cores
from bunchtrain.errors import BunchtrainError
from bunchtrain.methods.task import is_on_arrays
from bunchtrain.progress_events import emit
from bunchtrain.study import Study, model_configs
from bunchtrain.training.workers import WorkerInfo
from bunchtrain.workflow.executors._executor import Executor, Job
from bunchtrain.workflow.executors.processes import Processes
from bunchtrain.workflow.executors.sequential import Sequential
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.stage import Stage, stage_folder
from bunchtrain.workflow.trainings import all_trainings

_MEMORY = Path("/proc/meminfo")


def max_concurrent_trainings(study: Study) -> int:
    """Return how many trainings of a study can be made at the same time, at least 1.

    The cores are shared by `training.threads`, and each training counts with twice
    `storage.memory`. Those whose threads are not set use all cores, and those on an accelerator
    or on another engine than `local` use the machine alone, so they are made in turn.
    """
    chosen = [m.training for m in model_configs(study).values() for _ in range(m.seeds)]
    alone = _uses_gpu(study) or any(t.engine.name != "local" for t in chosen)
    if not chosen or alone or not all(training.threads for training in chosen):
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


def available_memory() -> int:
    """Return the free memory in bytes; the total where the system does not report it."""
    if _MEMORY.is_file():
        found = re.search(r"MemAvailable:\s*(\d+) kB", _MEMORY.read_text())
        if found:
            return int(found[1]) * 1024
    return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")


def choose_executor(study: Study, jobs: int | None) -> Executor:
    """Return where the stages of a study run outside this process; `--jobs` goes before the key.

    With the default executor they are processes, as many as fit; none within a distributed run.
    """
    if WorkerInfo.from_environment().world_size > 1:
        return Sequential()
    if study.executor.name == "sequential":
        workers = jobs or max_concurrent_trainings(study)
        return Processes(workers=workers) if workers > 1 else Sequential()
    options = study.executor.options | ({} if jobs is None else {"workers": jobs})
    made: Executor = parts.build("executor", study.executor.name, options)
    return made


def run_concurrently(
    folder: RunFolder, study: Study, stages: Sequence[Stage], executor: Executor
) -> dict[str, BunchtrainError]:
    """Run stages outside this process and return stage → why it failed.

    The predictions of a training are made by its process. Raises InterruptedRun on
    Ctrl-C, when all processes have ended.
    """

    def end(job: Job, problem: BunchtrainError | None) -> None:
        if problem is not None:  # one whose process died could not report it
            emit(folder.path, job.name, "fail", text=str(problem))

    return executor.run([_job(folder, study, stage.name) for stage in stages], end)


def _job(folder: RunFolder, study: Study, stage: str) -> Job:
    kind, _, name = stage.partition(".")
    own = study.stages.get(stage)
    is_default = own is None and kind in ("train", "predict")
    one = all_trainings(folder, study).get(name) if is_default else None
    place = one.folder if one else stage_folder(folder.path, stage)
    names = [stage, f"predict.{name}"] if one and kind == "train" else [stage]
    module = "bunchtrain.workflow.stage_process"
    command = child_command(module, str(folder.path), str(place), *names)
    threads = one.model.training.threads if one else None
    if own is not None and own.train is not None:
        threads = own.train.training.get("threads", study.training.threads)
    return Job(stage, command, place / "job.log", threads)
