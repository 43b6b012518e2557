"""The compiled C++ runtime on a network and on events."""

import json
import subprocess

import numpy as np
import torch

from bunchtrain.deployment.cpp import compilation
from bunchtrain.deployment.cpp.conversion import convert
from bunchtrain.deployment.scoring import ScoredNetwork


def run_runtime(runtime, network, folder):
    """Run a network, the content or the text of its file, on `events.bin` of a folder."""
    text = network if isinstance(network, str) else json.dumps(network)
    (folder / "network.json").write_text(text)
    words = [runtime / "evaluate.run", "network.json", "events.bin", "scores.bin"]
    return subprocess.run(words, cwd=folder, capture_output=True, text=True)


def read_scores(runtime, network, folder):
    """Return all scores of the events of a folder, in one row."""
    done = run_runtime(runtime, network, folder)
    assert done.returncode == 0, done.stderr
    return np.fromfile(folder / "scores.bin", np.float32)


def scores_of_tensors(runtime, network, tensors, folder):
    """Return all scores of tensors, in one row."""
    compilation.write_tensors(tensors, folder / "events.bin")
    return read_scores(runtime, network, folder)


def scores_of_both(runtime, made, inputs, folder):
    """Return the scores of a trained model by the runtime and by PyTorch."""
    tensors = {name: tensor.numpy() for name, tensor in inputs.items()}
    found = scores_of_tensors(runtime, convert(made).json(), tensors, folder)
    with torch.inference_mode():
        wanted = ScoredNetwork(made).eval()(inputs)["jet"].numpy()
    return found.reshape(wanted.shape), wanted
