"""Interaction network: φ_R on every ordered pair, summed (arXiv:1612.00222, 1908.05318)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.methods.supervised import input_names
from bunchtrain.networks.interaction_network import InteractionNetwork

LENGTHS = [4, 0, 3, 1, 6]


def jets(lengths, seed=0):
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(sum(lengths), 3, generator=random, dtype=torch.float64)
    return features, torch.tensor(lengths)


def network():
    torch.manual_seed(3)
    widths = {"relation": (7, 5), "objects": (6, 4), "classifier": (8,), "typical": 2.5}
    return InteractionNetwork(3, 2, **widths).double()


def test_the_equations_pair_by_pair():
    made, (features, lengths) = network(), jets(LENGTHS)
    expected = []
    for jet in features.split(LENGTHS):
        objects = []
        for i, x in enumerate(jet):
            others = [torch.cat([x, y]) for j, y in enumerate(jet) if j != i]
            effects = [made.relation(made.pair(pair)) for pair in others]
            effect = sum(effects, start=x.new_zeros(5)) / 2.5
            objects.append(made.objects(torch.cat([x, effect])))
        expected.append(made.classifier(sum(objects, start=jet.new_zeros(4)) / 2.5))
    torch.testing.assert_close(made(features, lengths), torch.stack(expected))


@settings(max_examples=10, deadline=None)
@given(st.integers(0, 2**31))
def test_the_order_of_particles_does_not_matter(seed):
    made, (features, lengths) = network(), jets([5, 3], seed % 100)
    torch.manual_seed(seed)
    order = torch.cat([torch.randperm(5), 5 + torch.randperm(3)])
    torch.testing.assert_close(made(features[order], lengths), made(features, lengths))


def test_a_jet_does_not_see_the_others():
    made, (features, lengths) = network(), jets(LENGTHS)
    parts = zip(features.split(LENGTHS), LENGTHS, strict=True)
    alone = torch.cat([made(part, torch.tensor([n])) for part, n in parts])
    torch.testing.assert_close(made(features, lengths), alone)


@pytest.mark.parametrize("lengths", [[0, 0], [1], [0, 1, 2]])
def test_short_jets_train(lengths):
    made = network()
    output = made(*jets(lengths))
    output.sum().backward()
    assert output.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def test_what_it_needs():
    assert input_names(InteractionNetwork) == ("features", "lengths")
