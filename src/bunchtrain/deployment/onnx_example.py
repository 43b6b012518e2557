"""An example next to `model.onnx`: events with their scores, and programs that evaluate them."""

from __future__ import annotations

import shutil
from pathlib import Path

import awkward as ak
import numpy as np
import torch

from bunchtrain.deployment.scoring import Arrays, ScoredNetwork, batches
from bunchtrain.files import atomic_path
from bunchtrain.trained_model import TrainedModel

#: Events of the example.
EVENTS = 200
SNIPPETS = Path(__file__).parent / "snippets"


def write_example(
    trained: TrainedModel, events: ak.Array, inputs: list[str], folder: Path
) -> list[str]:
    """Write the first events as `example.npz` and `example.bin`, and the programs that read them.

    `example.npz` has the tensors by name and the trained model's scores of each target,
    `example.bin` of each tensor its number of dimensions and their sizes as int64, and its values.
    Returns the names of the files; [] if all of these events are dropped.

    inputs  names of the inputs of the file, in its order.
    """
    found = next(batches(trained, events[:EVENTS], EVENTS), None)
    if found is None:
        return []
    _, tensors = found
    given = {name: torch.from_numpy(array) for name, array in tensors.items()}
    with torch.inference_mode():
        predicted = ScoredNetwork(trained).eval()(given).items()
    scores = {f"scores_{target}": values.numpy() for target, values in predicted}
    used = {name: tensors[name] for name in inputs}
    with atomic_path(folder / "example.npz") as part, part.open("wb") as file:
        np.savez(file, **used, **scores)  # type: ignore[arg-type]  # numpy's own overload
    with atomic_path(folder / "example.bin") as part:
        part.write_bytes(_binary(used))
    for ending in ("py", "cpp"):
        with atomic_path(folder / f"example.{ending}") as part:
            shutil.copyfile(SNIPPETS / f"onnx_example.{ending}", part)
    return ["example.npz", "example.bin", "example.py", "example.cpp"]


def _binary(tensors: Arrays) -> bytes:
    parts = [
        np.array([values.ndim, *values.shape], np.int64).tobytes()
        + np.ascontiguousarray(values).tobytes()
        for values in tensors.values()
    ]
    return b"".join(parts)
