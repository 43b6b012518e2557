"""One member of a run in a process of its own: `python -m bunchtrain.workflow.job RUN MEMBER`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from bunchtrain.errors import BunchtrainError, InterruptedRun
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.training.failure import record_failure
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.trainings import predict_member, train_member


def work(path: str, member: str, *flags: str) -> int:
    """Train a member and write its predictions; return the exit code."""
    folder = RunFolder.open(path)
    try:
        try:
            study = folder.study()
            cache = EventCache.open(Path(folder.json("data.json")["folder"]))
            train_member(folder, study, cache, member, resume="--resume" in flags, progress=False)
            predict_member(folder, study, cache, member)
        except KeyboardInterrupt:
            raise InterruptedRun("the run was interrupted") from None
    except BunchtrainError as failure:
        record_failure(str(folder.model(member)), failure)
        return failure.exit_code
    return 0


def end_with_parent() -> None:
    """Interrupt this process when the one that started it is gone and closes our input."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    # A run in the background may have Ctrl-C ignored; the process that started us sends it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_with_parent()
    sys.exit(work(*sys.argv[1:]))
