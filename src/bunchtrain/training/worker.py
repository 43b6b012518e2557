"""One worker as a process: `python -m bunchtrain.training.worker FOLDER`."""

from __future__ import annotations

import sys

from bunchtrain.errors import BunchtrainError
from bunchtrain.methods.task import Task
from bunchtrain.training.failure import record_failure
from bunchtrain.training.fit import fit
from bunchtrain.training.place import find_place


def work(folder: str, *flags: str) -> int:
    """Train the task of a folder as the worker that the environment says; return the exit code."""
    try:
        fit(
            Task.load(folder),
            find_place(),
            resume="--resume" in flags,
            progress="--progress" in flags,
        )
    except BunchtrainError as failure:
        record_failure(folder, failure)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(work(*sys.argv[1:]))
