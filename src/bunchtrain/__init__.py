"""From a ROOT file to a trained, calibrated, explained model.

`study = bunchtrain.load("top_tagging"); run = bunchtrain.run(study); run.report()`
"""

from __future__ import annotations

from importlib import import_module
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bunchtrain.study import Study, load
    from bunchtrain.workflow.compare import Comparison, compare
    from bunchtrain.workflow.run import Run, evaluate, export
    from bunchtrain.workflow.run_study import open_run, resume, run

__version__ = version("bunchtrain")

#: Name → its module, imported at the first use, so that the command line starts fast.
_MODULES = {
    "Comparison": "workflow.compare",
    "compare": "workflow.compare",
    "Run": "workflow.run",
    "evaluate": "workflow.run",
    "export": "workflow.run",
    "open_run": "workflow.run_study",
    "resume": "workflow.run_study",
    "run": "workflow.run_study",
    "Study": "study",
    "load": "study",
}
__all__ = [
    "Comparison",
    "Run",
    "Study",
    "compare",
    "evaluate",
    "export",
    "load",
    "open_run",
    "resume",
    "run",
]


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module 'bunchtrain' has no attribute '{name}'")
    return getattr(import_module(f"bunchtrain.{_MODULES[name]}"), name)
