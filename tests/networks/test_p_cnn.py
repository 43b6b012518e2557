"""P-CNN: torch's convolutions jet by jet, and nothing beyond a jet's ends (arXiv:1902.08570)."""

import pytest
import torch
from torch.nn import functional

from bunchtrain.methods.supervised import input_names
from bunchtrain.networks.p_cnn import PCNN

LENGTHS = [9, 0, 3, 1, 12]
SMALL = {"first": 4, "stages": ((6,), (6, 6), (8,)), "dense": 5, "dropout": 0.0}


def jets(lengths, seed=0):
    random = torch.Generator().manual_seed(seed)
    features = torch.randn(sum(lengths), 3, generator=random, dtype=torch.float64)
    return features, torch.tensor(lengths)


def network():
    """Return a network with running moments that it has seen."""
    torch.manual_seed(3)
    made = PCNN(3, 2, **SMALL).double()
    with torch.no_grad():
        for seed in range(3):
            made.train()(*jets([9, 12, 7], seed))
    return made.eval()


def convolved(layer, values, stride):
    """Return torch's convolution (channel, place) of one jet, normalised."""
    kernel = layer.weight.weight.unflatten(1, (3, -1)).transpose(1, 2)  # (width, channel, 3)
    return layer.norm(functional.conv1d(values[None], kernel, stride=stride, padding=1)[0].T).T


def reference(made, features):
    values = convolved(made.first, features.T, 1).relu()
    for unit in made.units:
        short = values[:, :: 2 if unit.strided else 1]
        short = short if unit.shortcut is None else unit.shortcut(short.T).T
        inner = convolved(unit.one, values, 1).relu()[:, :: 2 if unit.strided else 1]
        values = (convolved(unit.two, inner, 1) + short).relu()
    return made.head(values.mean(1))


@pytest.mark.parametrize("length", [1, 2, 3, 8, 13])
def test_outputs_are_those_of_torch_s_convolutions(length):
    made = network()
    features, lengths = jets([length])
    torch.testing.assert_close(made(features, lengths)[0], reference(made, features))


def test_a_jet_does_not_see_the_others():
    made, (features, lengths) = network(), jets(LENGTHS)
    with torch.no_grad():
        parts = zip(features.split(LENGTHS), LENGTHS, strict=True)
        alone = torch.cat([made(part, torch.tensor([n])) for part, n in parts])
        torch.testing.assert_close(made(features, lengths), alone)


def test_the_exported_path_gives_the_same(monkeypatch):
    made, inputs = network(), jets(LENGTHS)
    with torch.no_grad():
        quick = made(*inputs)
        monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
        torch.testing.assert_close(made(*inputs), quick)


def test_the_order_of_particles_counts():
    made, (features, lengths) = network(), jets([9])
    assert not torch.allclose(made(features, lengths), made(features.flip(0), lengths))


@pytest.mark.parametrize("lengths", [[0, 0], [1], [0, 1, 2]])
def test_short_jets_train(lengths):
    made = network().train()
    output = made(*jets(lengths))
    output.sum().backward()
    assert output.isfinite().all()
    assert all(p.grad is None or p.grad.isfinite().all() for p in made.parameters())


def test_what_it_needs_and_the_paper_s_size():
    """The paper counts 348 thousand parameters, and not all of its details are written down."""
    assert input_names(PCNN) == ("features", "lengths")
    assert abs(sum(p.numel() for p in PCNN(7, 2).parameters()) - 348_000) < 5_000
