"""Pruning: how much, when, which, and what comes back."""

import pytest
import torch

from bunchtrain import parts
from bunchtrain.errors import StudyError
from bunchtrain.networks.dense_network import DenseNetwork
from bunchtrain.networks.layers.pruning import Pruning
from bunchtrain.networks.quantised.quantised_dense_network import QuantisedDenseNetwork


def pruned_share(network) -> float:
    masks = [m for name, m in network.named_buffers() if name.endswith("weight.mask")]
    return float(sum((m == 0).sum() for m in masks) / sum(m.numel() for m in masks))


def test_the_share_follows_the_cubic_schedule_and_the_rounds():
    gradual = Pruning(sparsity=0.8, start=0.2, end=0.6)
    shares = [gradual.sparsity_at(t) for t in (0.1, 0.2, 0.4, 0.6, 0.9)]
    assert shares == pytest.approx([0, 0, 0.8 * (1 - 0.5**3), 0.8, 0.8])
    rounds = Pruning(sparsity=0.75, start=0.2, end=0.6, rounds=2)
    shares = [rounds.sparsity_at(t) for t in (0.3, 0.4, 0.5, 0.6)]
    assert shares == pytest.approx([0, 0.5, 0.5, 0.75])


@pytest.mark.parametrize("model", [DenseNetwork, QuantisedDenseNetwork])
def test_the_smallest_weights_go_and_stay_away(model):
    torch.manual_seed(0)
    network = model(6, 3, widths=(20, 10), pruning=Pruning(sparsity=0.75))
    sizes = {
        n: p.detach().abs() for n, p in network.named_parameters() if n.endswith("weight.value")
    }
    network.anneal(1.0)
    assert pruned_share(network) == pytest.approx(0.75, abs=0.01)
    masks = {n: m for n, m in network.named_buffers() if n.endswith("weight.mask")}
    gone = torch.cat([sizes[n.replace("mask", "value")][m == 0] for n, m in masks.items()])
    left = torch.cat([sizes[n.replace("mask", "value")][m == 1] for n, m in masks.items()])
    assert gone.max() <= left.min()
    network(torch.randn(8, 6)).square().sum().backward()
    for name, parameter in network.named_parameters():
        if name.endswith("weight.value"):
            assert (parameter.grad[masks[name.replace("value", "mask")] == 0] == 0).all()


def test_a_pruned_neuron_gives_nothing():
    network = DenseNetwork(
        4, 2, widths=(10,), activation="relu", pruning=Pruning(sparsity=0.6, structure="neurons")
    )
    network.anneal(0.3)
    assert not network.is_comparable_across_epochs
    network.anneal(0.6)
    assert network.is_comparable_across_epochs
    hidden = network.layers[:2](torch.randn(50, 4))
    assert int((hidden == 0).all(0).sum()) >= 6
    assert int((network.layers[0].bias.mask == 0).sum()) == 6


def test_rounds_go_back_to_early_weights():
    pruning = Pruning(sparsity=0.75, start=0.2, end=0.6, rounds=2, rewind=0.1)
    network = DenseNetwork(4, 2, widths=(10,), pruning=pruning)
    network.anneal(0.1)
    early = network.layers[0].weight.value.detach().clone()
    with torch.no_grad():
        network.layers[0].weight.value.add_(torch.randn(10, 4))
    network.anneal(0.3)
    assert not torch.equal(network.layers[0].weight.value, early)
    network.anneal(0.4)
    assert torch.equal(network.layers[0].weight.value, early)
    assert pruned_share(network) == pytest.approx(0.5)


@pytest.mark.parametrize("model", [DenseNetwork, QuantisedDenseNetwork])
def test_masks_and_early_weights_are_kept_with_the_network(model):
    pruning = Pruning(sparsity=0.75, start=0.2, end=0.6, rounds=2, rewind=0.1)
    network, again = (model(4, 2, widths=(10,), pruning=pruning) for _ in range(2))
    for progress in (0.15, 0.4):
        network.anneal(progress)
    again.load_state_dict(network.state_dict())
    for one in (network, again):
        one.anneal(0.6)
    assert all(
        torch.equal(a, b)
        for a, b in zip(network.state_dict().values(), again.state_dict().values(), strict=True)
    )


def test_a_study_sets_it():
    options = parts.validate("model", "dense_network", {"pruning": {"sparsity": 0.5}}, "model")
    assert options["pruning"] == Pruning(sparsity=0.5)
    with pytest.raises(StudyError, match="give a fraction between 0 and 1"):
        Pruning(sparsity=1.5)
    with pytest.raises(StudyError, match="give a 'start' before the 'end'"):
        Pruning(start=0.7)
    with pytest.raises(StudyError, match="set it to at most 'start'"):
        Pruning(rounds=2, rewind=0.3)
