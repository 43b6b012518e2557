"""Trained models in the folders of their trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel

from bunchtrain import parts
from bunchtrain.errors import RunError
from bunchtrain.files import damaged, hash_file, read_json
from bunchtrain.methods.build import AnyNetwork, build_network
from bunchtrain.methods.fitted_network import FittedNetwork
from bunchtrain.methods.task import Task, TaskFile
from bunchtrain.methods.tensor_files import load_state, read_arrays, read_tensors
from bunchtrain.representations._representation import Representation
from bunchtrain.trained_model import FORMATS, TrainedModel
from bunchtrain.uncertainty.calibration import Calibration, build_calibrations


class NetworkFile(BaseModel):
    """Content of `network.json`; `sha256` is that of the weights."""

    format: int
    heads: dict[str, int]
    task: TaskFile
    calibrations: dict[str, list[Any]] = {}
    sha256: str | None = None


def load(folder: str | Path, *, is_own: bool = False) -> TrainedModel:
    """Return the trained model in the folder of a training.

    folder  with `network.json` and the weights.
    is_own  whether this process trained it, so that its code is trusted.

    Raises RunError, naming the file, if there is none, if it is damaged, edited or of another
    model, or if it names code that is not trusted.
    """
    description = Path(folder) / "network.json"
    if not description.is_file():
        raise RunError(f"{description} is missing: finish the training with --resume")
    content = read_json(description, NetworkFile)
    if not is_own:
        parts.check_recorded(content, folder)
    if content["format"] not in FORMATS:
        known = " or ".join(map(str, FORMATS))
        raise RunError(f"{description} has format {content['format']}, not {known}")
    path = Path(folder) / FORMATS[content["format"]]
    _check_hash(path, content.get("sha256"))
    try:
        trained = _build(folder, content)
    except (KeyError, TypeError, ValueError, AttributeError, IndexError, RuntimeError) as problem:
        raise damaged(description, f"{type(problem).__name__}: {problem}") from None
    load_state(trained.network, _read_weights(path, trained.network), path)
    return trained


def trained_model(
    task: Task,
    representation: Representation,
    network: AnyNetwork,
    calibrations: dict[str, list[Calibration]] | None = None,
) -> TrainedModel:
    """Return a network with its task, its representation and, by target, its calibrations."""
    if isinstance(network, FittedNetwork):
        return TrainedModel(task, representation, network, calibrations or {})
    from bunchtrain.trained_network import TrainedNetwork

    return TrainedNetwork(task, representation, network, calibrations or {})


def _check_hash(path: Path, sha256: str | None) -> None:
    """Raise RunError if the file of the weights is missing or was changed."""
    if not path.is_file():
        raise RunError(f"{path} is missing: restore it, or run the study again")
    if sha256 is not None and hash_file(path) != sha256:
        raise RunError(f"{path} was changed after the training: restore it, or run the study again")


def _read_weights(path: Path, network: AnyNetwork) -> dict[str, Any]:
    """Return the weights in a file; raises RunError if one is NaN."""
    is_fitted = isinstance(network, FittedNetwork)
    weights = read_arrays(path) if is_fitted else read_tensors(path)
    for name, value in weights.items():  # replacements of NaN in inputs may be NaN themselves
        is_number = "float" in str(getattr(value, "dtype", ""))  # trees have more
        if name.startswith("model.") and is_number and bool((value != value).any()):
            raise RunError(f"{path}: '{name}' contains NaN: run the study again")
    return weights


def _build(folder: str | Path, content: dict[str, Any]) -> TrainedModel:
    """Return the model that `network.json` describes, with initial weights."""
    task = Task.from_dict({**content["task"], "cache": "", "folder": str(folder)})
    representation, _ = task.build_representation(task.columns)
    network = build_network(task, representation)
    if not isinstance(network, FittedNetwork):
        network.eval()
    calibrations = build_calibrations(task)
    for target, fitted in content.get("calibrations", {}).items():
        for calibration, numbers in zip(calibrations[target], fitted, strict=True):
            calibration.numbers = numbers
    return trained_model(task, representation, network, calibrations)
