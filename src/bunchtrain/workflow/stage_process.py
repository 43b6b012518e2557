"""Stages of a run in a process of their own, which `bunchtrain stage` and the engine start."""

from __future__ import annotations

import signal
import sys
from collections.abc import Sequence
from pathlib import Path

from bunchtrain.errors import BunchtrainError, InterruptedRun
from bunchtrain.parts import report_own_errors
from bunchtrain.training.workers import record_failure
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.build import build_graph
from bunchtrain.workflow.graph.engine import Engine, run_stages


def run_in_this_process(run: Path | str, names: Sequence[str]) -> None:
    """Run stages of a run whose inputs are finished; interrupted ones are resumed.

    Raises RunError for an unknown stage, or one whose inputs are not finished, and what the stage
    raises.
    """
    folder = RunFolder.open(run)
    study = folder.study()
    engine = Engine(build_graph(folder, study), folder, study, resume=True, reuse=False)
    with report_own_errors():
        run_stages(engine, names)


def main(run: str, report: str, *names: str) -> int:
    """Run stages, write an error into the folder `report`, and return the exit code."""
    try:
        try:
            run_in_this_process(run, names)
        except KeyboardInterrupt:
            raise InterruptedRun("the run was interrupted") from None
    except BunchtrainError as failure:
        record_failure(report, failure)
        return failure.exit_code
    return 0


if __name__ == "__main__":
    # A run in the background may ignore Ctrl-C; the parent process sends it.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.default_int_handler)
    sys.exit(main(*sys.argv[1:]))
