"""One study from start to finish: the run and its folder."""

from bunchtrain.workflow.result import Comparison, Run, compare
from bunchtrain.workflow.running import open_run, resume, run

__all__ = ["Comparison", "Run", "compare", "open_run", "resume", "run"]
