"""The whole graph of a study: the default stages, and those of the key `stages`."""

from __future__ import annotations

from bunchtrain.study import Study
from bunchtrain.workflow.folder import RunFolder
from bunchtrain.workflow.graph.default_graph import DefaultGraph
from bunchtrain.workflow.graph.stage import Stage


def build_graph(folder: RunFolder, study: Study) -> dict[str, Stage]:
    """Return name → stage of a study, whose files are in the folder of a run."""
    return DefaultGraph(folder, study).stages()
