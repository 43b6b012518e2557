"""TensorBoard and MLflow, where a study asks for them; `history.csv` is always written."""

from __future__ import annotations

import importlib.util
import os
from pathlib import Path

from pytorch_lightning.loggers import Logger, MLFlowLogger, TensorBoardLogger

from bunchtrain.errors import missing
from bunchtrain.methods.task import Task


def make_loggers(task: Task) -> list[Logger]:
    """Return the loggers of a task.

    Raises MissingDependency if one is not installed.
    """
    folder, loggers = Path(task.folder), list[Logger]()
    if "tensorboard" in task.settings["logs"]:
        _need("tensorboard", "TensorBoard logs")
        loggers.append(TensorBoardLogger(str(folder), name="tensorboard", version=""))
    if "mlflow" in task.settings["logs"]:
        _need("mlflow", "MLflow logs")
        uri = None if "MLFLOW_TRACKING_URI" in os.environ else f"file:{folder}/mlflow"
        loggers.append(MLFlowLogger("bunchtrain", run_name=folder.name, tracking_uri=uri))
    return loggers


def _need(package: str, purpose: str) -> None:
    if importlib.util.find_spec(package) is None:
        raise missing(package, package, purpose)
