"""From a ROOT file to a trained, calibrated, explained network.

`study = bunchtrain.load("top_tagging"); run = bunchtrain.run(study); run.report()`
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from bunchtrain.study import Study, load
    from bunchtrain.workflow.exporting import export
    from bunchtrain.workflow.result import Comparison, Run, compare
    from bunchtrain.workflow.running import open_run, resume, run

__version__ = "0.1.0"
__all__ = ["Comparison", "Run", "Study", "compare", "export", "load", "open_run", "resume", "run"]

#: Name → where it is; imported when first used, so that the command answers at once.
_PLACES = {
    "Comparison": "bunchtrain.workflow.result",
    "Run": "bunchtrain.workflow.result",
    "compare": "bunchtrain.workflow.result",
    "export": "bunchtrain.workflow.exporting",
    "open_run": "bunchtrain.workflow.running",
    "resume": "bunchtrain.workflow.running",
    "run": "bunchtrain.workflow.running",
    "Study": "bunchtrain.study",
    "load": "bunchtrain.study",
}


def __getattr__(name: str) -> Any:
    import importlib

    if name not in _PLACES:
        raise AttributeError(f"module 'bunchtrain' has no attribute '{name}'")
    return getattr(importlib.import_module(_PLACES[name]), name)
