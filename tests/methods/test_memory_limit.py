"""Networks and batches that this machine cannot hold are refused before memory is taken."""

import pytest
import torch

from bunchtrain.errors import StudyError
from bunchtrain.methods import memory_limit
from bunchtrain.methods.memory_limit import check_batch
from bunchtrain.methods.weight_limit import WeightLimit


def test_weights_are_counted_before_they_are_made(monkeypatch):
    monkeypatch.setattr(memory_limit, "machine_memory", lambda: 16 * 1000)
    with WeightLimit("small"):
        torch.nn.Linear(30, 30)
    message = "'large' has more than 1,020 weights, which take 0 GB .* give smaller widths"
    with pytest.raises(StudyError, match=message), WeightLimit("large"):
        torch.nn.Sequential(torch.nn.Linear(30, 30), torch.nn.Linear(30, 3))


def test_a_batch_has_a_limit(monkeypatch):
    monkeypatch.setattr(memory_limit, "machine_memory", lambda: 8 * 10**6)
    check_batch({"image": (1, 10, 100), "lengths": ()}, 1000)
    with pytest.raises(StudyError, match="'image', 2 × 10 × 100 numbers each"):
        check_batch({"image": (2, 10, 100)}, 1000)
