"""Training of one model in its own process, which `workflow.concurrent_trainings` starts."""

from __future__ import annotations

import signal
import sys

from bunchtrain.errors import BunchtrainError, InterruptedRun
from bunchtrain.parts import report_own_errors
from bunchtrain.training.workers import record_failure
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.run_events import run_events
from bunchtrain.workflow.trainings import predict_model, train_model


def train_and_predict(path: str, model: str, *flags: str) -> int:
    """Train a model of the run in a folder, write its predictions and return the exit code."""
    folder = RunFolder.open(path)
    try:
        try:
            with report_own_errors():
                study = folder.study()
                cache = run_events(folder, study)
                resume = "--resume" in flags
                train_model(folder, study, cache, model, resume=resume, progress=False)
                predict_model(folder, study, cache, model)
        except KeyboardInterrupt:
            raise InterruptedRun("the run was interrupted") from None
    except BunchtrainError as failure:
        record_failure(str(folder.model(model)), failure)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    # A run in the background may ignore Ctrl-C; the parent process sends it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(train_and_predict(*sys.argv[1:]))
