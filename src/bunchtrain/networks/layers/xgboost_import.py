"""XGBoost as a module, imported without scikit-learn where no code of a user can need it.

If scikit-learn is installed, XGBoost imports it for its own estimators, `XGBClassifier` and others,
and with it pandas and SciPy's statistics: 1.3 s of processor time, a fifth of a small run, for
classes that the toolkit does not use. XGBoost works without scikit-learn, too; in a command that
runs the toolkit's code alone the import finds none.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from bunchtrain.parts import PROCESS


def import_xgboost() -> ModuleType:
    """Return the module; the import takes a while, so that it is done where trees are fitted."""
    is_first = "xgboost" not in sys.modules and "sklearn" not in sys.modules
    if not (is_first and PROCESS.runs_toolkit_alone()):
        import xgboost

        return xgboost
    with _hidden("sklearn"):
        import xgboost
    return xgboost


@contextmanager
def _hidden(package: str) -> Iterator[None]:
    """Let the import of a package fail within this context, as if it were not installed."""
    sys.modules[package] = None  # type: ignore[assignment]  # see the import system in Python's docs
    try:
        yield
    finally:
        del sys.modules[package]
