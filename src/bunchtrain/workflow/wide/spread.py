"""Pieces of a work, done by the jobs of an executor; each job is a process that does its share.

The pieces follow from the data and never from the workers. A piece that is there is not made again,
so that a job that is run again, or a later run, goes on where the one before it ended.
"""

from __future__ import annotations

import shutil
import signal
import sys
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path
from typing import Any, Protocol

from bunchtrain.child_processes import child_command
from bunchtrain.errors import BunchtrainError, InterruptedRun, file_error
from bunchtrain.files import read_json, write_json, write_text
from bunchtrain.parts import report_own_errors
from bunchtrain.training.process import peak_mb
from bunchtrain.training.workers import record_failure
from bunchtrain.workflow.executors._executor import Executor, Job


class Work(Protocol):
    """Pieces that are made one by one, in any order."""

    def is_done(self, index: int) -> bool:
        """Return whether a piece is there."""

    def do(self, index: int) -> None:
        """Make a piece; its last file appears when it is complete."""


#: Kind of work → `module:class`, made from plain data in each process.
WORKS = {
    "cache": "bunchtrain.workflow.wide.cache:CachePieces",
    "source": "bunchtrain.workflow.wide.cache:SampleParts",
    "generate": "bunchtrain.workflow.wide.generation:GeneratedBlocks",
    "predict": "bunchtrain.workflow.wide.prediction:PredictedBlocks",
    "repeat": "bunchtrain.workflow.wide.repetitions:RepeatedPieces",
    "predict_set": "bunchtrain.workflow.wide.event_set:PredictedSet",
}


def spread(
    executor: Executor,
    place: Path,
    kind: str,
    arguments: Mapping[str, Any],
    count: int,
    on_wait: Callable[[], None] = lambda: None,
) -> None:
    """Make all pieces of a work; raise the error of the first piece that has one.

    executor   of the jobs.
    place      folder of their logs, removed when all pieces are made; the jobs must reach it.
    kind       of the work, a key of WORKS.
    arguments  of its class, plain data.
    count      number of pieces.
    on_wait    called while the jobs run.
    """
    place.mkdir(parents=True, exist_ok=True)
    write_json(place / "work.json", {"kind": kind, "arguments": dict(arguments), "count": count})
    workers = min(executor.workers, count)
    module, folder = "bunchtrain.workflow.wide.spread", str(place.absolute())
    jobs = [
        Job(
            f"{kind}.{worker}",
            child_command(module, folder, str(worker), str(workers)),
            place / f"worker-{worker}" / "job.log",
        )
        for worker in range(workers)
    ]
    failures = executor.run(jobs, on_wait=on_wait)
    if failures:
        places = {job.name: job.log.parent for job in jobs}
        first = min(failures, key=lambda name: _piece(places[name]))
        raise failures[first]
    shutil.rmtree(place, ignore_errors=True)


def _piece(folder: Path) -> int:
    """Return the piece that a job made last; −1 if it did not begin."""
    path = folder / "piece"
    return int(path.read_text()) if path.is_file() else -1


def main(place: str, worker: str, workers: str) -> int:
    """Make the pieces of one worker, report an error beside its log, and return the exit code."""
    folder = Path(place) / f"worker-{worker}"
    try:
        try:
            with report_own_errors():
                _make(Path(place), folder, int(worker), int(workers))
        except KeyboardInterrupt:
            raise InterruptedRun("the work was interrupted") from None
        except OSError as problem:
            where = f"'{problem.filename}'" if problem.filename else "a piece"
            raise file_error(problem, f"{where} cannot be read or written") from None
    except BunchtrainError as failure:
        record_failure(str(folder), failure)
        return failure.exit_code
    return 0


def _make(place: Path, folder: Path, worker: int, workers: int) -> None:
    content = read_json(place / "work.json")
    module, _, name = WORKS[content["kind"]].partition(":")
    work: Work = getattr(import_module(module), name)(**content["arguments"])
    for index in range(worker, content["count"], workers):
        write_text(folder / "piece", str(index))
        if not work.is_done(index):
            work.do(index)
    print(f"CPU {time.process_time():.2f} s, peak memory {peak_mb():.0f} MB")


if __name__ == "__main__":
    # A run in the background may ignore Ctrl-C; the parent process sends it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(*sys.argv[1:]))
