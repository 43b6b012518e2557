"""From a ROOT file to a trained, calibrated, explained model.

`study = bunchtrain.load("top_tagging"); run = bunchtrain.run(study); run.report()`
"""

from __future__ import annotations

from importlib import import_module

TYPE_CHECKING = False  # `typing` is a large part of the time before signals are handled
if TYPE_CHECKING:
    from typing import Any

    from bunchtrain.study import Study, load
    from bunchtrain.tables.inspect.inspection import inspect
    from bunchtrain.workflow.compare import Comparison, compare
    from bunchtrain.workflow.functions import check, init, reweight, shift, tune, workspace
    from bunchtrain.workflow.progress import progress
    from bunchtrain.workflow.run import Run, evaluate, export
    from bunchtrain.workflow.run_study import open_run, resume, run

#: Module → its public names, imported at the first use, so that the command line starts fast.
_NAMES = {
    "study": ("Study", "load"),
    "tables.inspect.inspection": ("inspect",),
    "workflow.compare": ("Comparison", "compare"),
    "workflow.functions": ("check", "init", "reweight", "shift", "tune", "workspace"),
    "workflow.progress": ("progress",),
    "workflow.run": ("Run", "evaluate", "export"),
    "workflow.run_study": ("open_run", "resume", "run"),
}
_MODULES = {name: module for module, names in _NAMES.items() for name in names}
__all__ = [
    "Comparison", "Run", "Study", "check", "compare", "evaluate", "export", "init", "inspect",
    "load", "open_run", "progress", "resume", "reweight", "run", "shift", "tune", "workspace",
]  # fmt: skip


def __dir__() -> list[str]:
    """Return the public names, for completion."""
    return [*__all__, "__version__"]


def __getattr__(name: str) -> Any:
    if name == "__version__":  # its import takes time, in which Ctrl-C is not yet handled
        from importlib.metadata import version

        return version("bunchtrain")
    if name not in _MODULES:
        raise AttributeError(f"module 'bunchtrain' has no attribute '{name}'")
    return getattr(import_module(f"bunchtrain.{_MODULES[name]}"), name)
