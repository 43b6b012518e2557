"""Training of one model in its own process: `python -m bunchtrain.workflow.worker_process`."""

from __future__ import annotations

import os
import signal
import sys
import threading
from pathlib import Path

from bunchtrain.errors import BunchtrainError, InterruptedRun
from bunchtrain.tables.cache.event_cache import EventCache
from bunchtrain.training.workers import record_failure
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.trainings import predict_model, train_model


def train_and_predict(path: str, model: str, *flags: str) -> int:
    """Train a model of the run in a folder, write its predictions and return the exit code."""
    folder = RunFolder.open(path)
    try:
        try:
            study = folder.study()
            cache = EventCache.open(Path(folder.json("data.json")["folder"]))
            train_model(folder, study, cache, model, resume="--resume" in flags, progress=False)
            predict_model(folder, study, cache, model)
        except KeyboardInterrupt:
            raise InterruptedRun("the run was interrupted") from None
    except BunchtrainError as failure:
        record_failure(str(folder.model(model)), failure)
        return failure.exit_code
    return 0


def end_with_parent() -> None:
    """Interrupt this process when its parent ends, which closes the standard input."""

    def wait() -> None:
        while os.read(0, 1):
            pass
        os.kill(os.getpid(), signal.SIGINT)

    threading.Thread(target=wait, daemon=True).start()


if __name__ == "__main__":
    # A run in the background may ignore Ctrl-C; the parent process sends it.
    signal.signal(signal.SIGINT, signal.default_int_handler)
    end_with_parent()
    sys.exit(train_and_predict(*sys.argv[1:]))
