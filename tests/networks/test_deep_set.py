"""Sums over points of dense layers in chunks are those of whole layers."""

import pytest
import torch
from torch import nn

from bunchtrain.networks import energy_flow_network, particle_flow_network
from bunchtrain.networks.energy_flow_network import EnergyFlowNetwork
from bunchtrain.networks.layers import deep_set
from bunchtrain.networks.layers.deep_set import sum_of_points, sums_in_chunks
from bunchtrain.networks.layers.dense import dense
from bunchtrain.networks.layers.packing import segment_sum
from bunchtrain.networks.particle_flow_network import ParticleFlowNetwork

LENGTHS = torch.tensor([3, 0, 5, 1, 40])


def whole(layers, points, lengths, weights):
    values = layers(points)
    return segment_sum(values if weights is None else weights[:, None] * values, lengths)


@pytest.fixture
def points():
    torch.manual_seed(1)
    return torch.randn(int(LENGTHS.sum()), 4, dtype=torch.float64)


@pytest.mark.parametrize("step", [1, 7, 1000])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("widths", [(6,), (5, 8), (8, 3, 7)])
def test_values_and_gradients_are_those_of_whole_layers(
    points, step, weighted, widths, monkeypatch
):
    monkeypatch.setattr(deep_set, "CHUNK", step * max(widths))
    layers = dense(4, widths).double()
    weights = torch.rand(len(points), dtype=torch.float64) if weighted else None
    for _ in range(2):  # buffers of the first pass are used again
        found = sum_of_points(layers, points, LENGTHS, weights)
        expected = whole(layers, points, LENGTHS, weights)
        assert sums_in_chunks(layers, points, weights)
        torch.testing.assert_close(found, expected)
        upstream = torch.randn_like(expected)
        parameters = list(layers.parameters())
        ours = torch.autograd.grad(found, parameters, upstream)
        torch.testing.assert_close(ours, torch.autograd.grad(expected, parameters, upstream))


def test_two_passes_before_their_gradients(points):
    layers = dense(4, (5, 6)).double()
    first, second = (sum_of_points(layers, x, LENGTHS) for x in (points, 2 * points))
    found = torch.autograd.grad(first.sum() + second.sum(), list(layers.parameters()))
    both = whole(layers, points, LENGTHS, None).sum()
    both = both + whole(layers, 2 * points, LENGTHS, None).sum()
    torch.testing.assert_close(found, torch.autograd.grad(both, list(layers.parameters())))


def test_inference(points):
    layers = dense(4, (5, 6)).double().eval()
    with torch.no_grad():
        found = sum_of_points(layers, points, LENGTHS)
        torch.testing.assert_close(found, whole(layers, points, LENGTHS, None))


@pytest.mark.parametrize(
    "layers",
    [
        dense(4, (5,), activation="gelu"),
        dense(4, (5, 6), dropout=0.1).eval(),
        nn.Sequential(nn.Linear(4, 5, bias=False), nn.ReLU()),
        dense(4, ()),
    ],
)
def test_other_layers_are_computed_whole(points, layers):
    assert not sums_in_chunks(layers.double(), points)


def test_networks_have_gradients_of_gradients_of_points(points):
    network = ParticleFlowNetwork(4, 1).double()
    points.requires_grad_()
    score = network(points, LENGTHS).square().sum()
    (slope,) = torch.autograd.grad(score, points, create_graph=True)
    assert torch.autograd.grad(slope.sum(), network.phi[0].weight)[0].abs().sum() > 0


def test_networks_in_functional_transformations(points):
    network = ParticleFlowNetwork(4, 1).double()
    weights = {name: torch.stack([x, 2 * x]) for name, x in network.named_parameters()}

    def call(given):
        return torch.func.functional_call(network, given, (points, LENGTHS))

    found = torch.func.vmap(call)(weights)
    torch.testing.assert_close(found[0], network(points, LENGTHS))


def test_networks_in_chunks_are_those_of_whole_layers(points, monkeypatch):
    momenta = torch.randn(len(points), 4, dtype=torch.float64)
    networks = [
        (particle_flow_network, ParticleFlowNetwork(4, 2).double(), (points,)),
        (energy_flow_network, EnergyFlowNetwork(4, 2, 2).double(), (momenta, points[:, :2])),
    ]
    for module, network, inputs in networks:
        found = network(*inputs, LENGTHS)
        monkeypatch.setattr(module, "sums_in_chunks", lambda *_: False)
        torch.testing.assert_close(found, network(*inputs, LENGTHS))
