"""Pieces of a stage `repeat` in a process of their own."""

from __future__ import annotations

from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.build import KINDS
from bunchtrain.workflow.graph.kinds.repeat import Pieces, Repeat
from bunchtrain.workflow.graph.stage_inputs import StageInputs


class RepeatedPieces(Pieces):
    """Pieces of a stage `repeat` of a run.

    run   folder of the run.
    name  of the stage.
    key   what decides its table.
    """

    def __init__(self, run: str, name: str, key: str) -> None:
        opened = RunFolder.open(run)
        super().__init__(Repeat.of(StageInputs(opened, opened.study()), name, KINDS), key)
