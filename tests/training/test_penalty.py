"""What a model adds to the loss, and how it learns how far the training is."""

import pytest
import torch

from bunchtrain.networks.dense_network import DenseNetwork
from bunchtrain.training.train import train


def test_a_penalty_on_the_weights_shrinks_them(make_task, monkeypatch) -> None:
    free = train(make_task("free")).network
    seen: set[int] = set()

    def penalty(model: DenseNetwork, events: int) -> torch.Tensor:
        seen.add(events)
        return sum(p.square().sum() for p in model.parameters())

    monkeypatch.setattr(DenseNetwork, "weight_penalty", penalty, raising=False)
    bound = train(make_task("bound")).network
    norms = [sum(float(p.detach().square().sum()) for p in n.parameters()) for n in (free, bound)]
    assert norms[1] < norms[0] / 2
    assert len(seen) == 1


def test_progress_rises_to_one(make_task, monkeypatch) -> None:
    told: list[float] = []
    monkeypatch.setattr(
        DenseNetwork, "anneal", lambda model, progress: told.append(progress), raising=False
    )
    train(make_task())
    assert told == sorted(told)
    assert len(set(told)) == len(told)
    assert told[-1] == pytest.approx(1.0)
