"""Runs whose processes torchrun or Slurm started: worker 0 leads, the others train with it."""

from __future__ import annotations

import os
import time
from pathlib import Path

from bunchtrain.errors import MachineError, StudyError
from bunchtrain.files import write_text
from bunchtrain.study import Study, model_configs
from bunchtrain.training.place import find_place
from bunchtrain.workflow.folder import RunFolder

#: Seconds that a worker waits for worker 0 to make the folder of the run.
PATIENCE = 600.0
_STARTED = time.time()


def is_leader() -> bool:
    """Return whether this process makes the run: it is alone, or worker 0."""
    return find_place().rank == 0


def check_engines(study: Study) -> None:
    """Raise StudyError if several processes were started for an engine that is not theirs."""
    place = find_place()
    for name, member in model_configs(study).items():
        if place.workers > 1 and member.training.engine.name != "processes":
            raise StudyError(
                f"{place.launcher} started {place.workers} processes, but '{name}' trains on the "
                f"engine '{member.training.engine.name}': set training.engine=processes"
            )


def announce(folder: RunFolder) -> None:
    """Tell the other workers, over the shared file system, where the run is."""
    if find_place().workers > 1:
        write_text(_notice(folder.path.parent), str(folder.path.resolve()))


def join(parent: Path) -> RunFolder:
    """Return the folder that worker 0 has announced under `parent`.

    Raises MachineError if none is announced in time.
    """
    notice = _notice(parent)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        # A notice from long before this process is one of an earlier launch of the same name.
        if notice.is_file() and notice.stat().st_mtime > _STARTED - 60:
            return RunFolder.open(notice.read_text(encoding="utf-8"))
        time.sleep(0.2)
    raise MachineError(f"worker 0 has announced no run in {notice} for {PATIENCE:.0f} s")


def _notice(parent: Path) -> Path:
    env = os.environ
    words = ("SLURM_JOB_ID", "SLURM_STEP_ID", "TORCHELASTIC_RUN_ID", "MASTER_PORT")
    return parent / f".launch-{'-'.join(env.get(word, '') for word in words)}"
