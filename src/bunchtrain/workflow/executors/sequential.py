"""One job after the other."""

from __future__ import annotations

from bunchtrain.workflow.executors.processes import Processes


class Sequential(Processes):
    """One stage after the other in this process, and trainings as `--jobs` says: the default."""

    def __init__(self) -> None:
        super().__init__(workers=1)
