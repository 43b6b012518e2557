"""ParticleNet: the published network, jets apart, in any order, short ones too."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import Tensor
from torch.nn import functional

from bunchtrain.networks.layers import edge_layers, edges
from bunchtrain.networks.layers.cpu_kernels import linear, product
from bunchtrain.networks.layers.edges import nearest_neighbours
from bunchtrain.networks.particle_net import ParticleNet
from bunchtrain.networks.particle_net_light import ParticleNetLight

CHANNELS = ((8, 8, 8), (16, 16))


def network(**options: object) -> ParticleNet:
    torch.manual_seed(3)
    made = ParticleNet(5, 2, 3, k=4, channels=CHANNELS, dense=8, dropout=0.0, **options)
    return made.double()


def jets(lengths: list[int], seed: int = 0) -> tuple[Tensor, Tensor, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    points = sum(lengths)
    features = torch.randn(points, 5, generator=generator, dtype=torch.float64)
    place = torch.randn(points, 2, generator=generator, dtype=torch.float64)
    return features, place, torch.tensor(lengths)


def plain(made: ParticleNet) -> ParticleNet:
    other = copy.deepcopy(made)
    for convolution in other.convolutions:
        convolution.fused = False
    return other


def trained(made: ParticleNet) -> ParticleNet:
    """Return the network with running moments that are not those it began with."""
    made.train()
    with torch.no_grad():
        for seed in range(3):
            made(*jets([9, 12, 7], seed))
    return made.eval()


def padded_reference(made: ParticleNet, features: Tensor, place: Tensor) -> Tensor:
    """Return the outputs for one jet as the paper writes it: edges as [x_i, x_j − x_i]."""

    def norm(values: Tensor, bn: torch.nn.BatchNorm1d) -> Tensor:
        mean, variance = bn.running_mean, bn.running_var
        return functional.batch_norm(values, mean, variance, bn.weight, bn.bias)

    points = norm(features, made.input_norm)
    for block in made.convolutions:
        apart = torch.cdist(place, place)
        apart.fill_diagonal_(torch.inf)
        near = apart.topk(min(made.k, len(place) - 1), largest=False).indices
        centre = points[:, None].expand(-1, near.shape[1], -1)
        along = torch.cat([centre, points[near] - centre], 2)
        for weight, bn in zip(block.weights, block.norms, strict=True):
            along = along @ weight.T
            along = norm(along.flatten(0, 1), bn).view(along.shape).relu()
        shortcut = norm(points @ block.shortcut.weight.T, block.shortcut_norm)
        points = place = (along.mean(1) + shortcut).relu()
    return made.head(points.mean(0, keepdim=True))


@pytest.mark.parametrize("lengths", [[9, 12, 7], [2, 3, 4, 5, 6], [30, 2]])
def test_outputs_are_those_of_the_published_network(lengths: list[int]) -> None:
    made = trained(network())
    features, place, numbers = jets(lengths)
    split = zip(features.split(lengths), place.split(lengths), strict=True)
    expected = torch.cat([padded_reference(made, f, c) for f, c in split])
    with torch.no_grad():
        torch.testing.assert_close(made(features, place, numbers), expected)


@pytest.mark.parametrize("lengths", [[9, 12, 7], [0, 1, 2, 3, 11], [2, 0, 0]])
def test_the_fused_layers_are_the_plain_ones(lengths: list[int]) -> None:
    fused, inputs = network(), jets(lengths)
    other = plain(fused)
    for made in (fused, other):
        made(*inputs).square().sum().backward()
    for one, two in zip(fused.parameters(), other.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad)
    for one, two in zip(fused.buffers(), other.buffers(), strict=True):
        torch.testing.assert_close(one, two)
    with torch.no_grad():
        torch.testing.assert_close(fused.eval()(*inputs), other.eval()(*inputs))


def test_many_pieces_are_as_one(monkeypatch: pytest.MonkeyPatch) -> None:
    inputs, whole = jets([9, 12, 1, 7]), network()
    pieces = copy.deepcopy(whole)
    whole(*inputs).sum().backward()
    monkeypatch.setattr(edges, "CHUNK", 64)
    pieces(*inputs).sum().backward()
    for one, two in zip(whole.parameters(), pieces.parameters(), strict=True):
        torch.testing.assert_close(one.grad, two.grad)


def test_edge_layers_have_the_gradient_of_their_outputs() -> None:
    features, place, lengths = jets([6, 3, 1, 4])
    found = nearest_neighbours(place, lengths, 3)
    torch.manual_seed(1)
    shapes = [(4,), (4,), (3, 4), (3,), (3,), (2, 3), (2,), (2,)]
    given = [torch.randn(len(features), 4), torch.randn(len(features), 4)]
    given += [torch.randn(shape) for shape in shapes]
    given = [value.double().requires_grad_() for value in given]

    def convolved(sent: Tensor, received: Tensor, *parameters: Tensor) -> Tensor:
        return edge_layers.EdgeLayers.apply(sent, received, found, 1e-5, *parameters)[0]

    assert torch.autograd.gradcheck(convolved, given)


def test_a_gradient_asked_for_twice_is_the_same() -> None:
    made = network()
    output = made(*jets([9, 12])).sum()
    output.backward(retain_graph=True)
    once = [parameter.grad.clone() for parameter in made.parameters()]
    output.backward()
    for parameter, gradient in zip(made.parameters(), once, strict=True):
        torch.testing.assert_close(parameter.grad, 2 * gradient)


def test_two_passes_at_once_do_not_share_memory() -> None:
    made, other = network(), jets([9, 12], seed=4)
    through = made.convolutions[0].weights[1]
    alone = torch.autograd.grad(made(*jets([9, 12])).sum(), through)[0]
    first = made(*jets([9, 12])).sum()
    made(*other).sum().backward()
    torch.testing.assert_close(torch.autograd.grad(first, through)[0], alone)


def test_products_agree_with_pytorch_in_single_precision() -> None:
    rows, wide = torch.randn(40, 12), torch.randn(7, 24)
    weight, bias = wide.chunk(2, dim=1)[1], torch.randn(7)
    expected = functional.linear(rows, weight, bias).relu()
    torch.testing.assert_close(product(rows, weight, bias, relu=True), expected)
    torch.testing.assert_close(product(rows.T, expected.T), rows.T @ expected)
    double = rows[:5].double().requires_grad_(), weight.double().requires_grad_()
    assert torch.autograd.gradcheck(linear, double)


def test_the_order_of_particles_does_not_matter() -> None:
    made, (features, place, lengths) = trained(network()), jets([9, 3, 12])
    shuffled = torch.cat([torch.randperm(9), 9 + torch.randperm(3), 12 + torch.randperm(12)])
    with torch.no_grad():
        first = made(features, place, lengths)
        torch.testing.assert_close(made(features[shuffled], place[shuffled], lengths), first)


def test_a_jet_does_not_see_the_others() -> None:
    lengths = [9, 0, 3, 40, 1, 12]
    made, (features, place, numbers) = trained(network()), jets(lengths)
    with torch.no_grad():
        together = made(features, place, numbers)
        split = zip(features.split(lengths), place.split(lengths), lengths, strict=True)
        alone = torch.cat([made(f, c, torch.tensor([n])) for f, c, n in split])
    torch.testing.assert_close(together, alone)


@pytest.mark.parametrize("lengths", [[0, 0], [1, 1, 1], [1]])
def test_jets_without_neighbours_train(lengths: list[int]) -> None:
    made = network()
    output = made(*jets(lengths))
    output.sum().backward()
    assert output.isfinite().all()
    assert all(p.grad.isfinite().all() for p in made.parameters() if p.grad is not None)


def test_neighbours_are_the_nearest_of_the_same_jet() -> None:
    _, place, lengths = jets([6, 1, 0, 3, 20])
    found = nearest_neighbours(place, lengths, 4)
    assert found.degree.tolist() == [4] * 6 + [0] + [2] * 3 + [4] * 20
    jet = torch.arange(5).repeat_interleave(lengths)
    assert torch.equal(jet[found.sender], jet[found.receiver])
    assert (found.sender != found.receiver).all()
    apart = torch.cdist(place, place).masked_fill_(jet[:, None] != jet, torch.inf)
    nearest = apart.fill_diagonal_(torch.inf).sort(1).values
    for point, senders in enumerate(found.sender.split(found.degree.tolist())):
        count = len(senders)
        torch.testing.assert_close(apart[point, senders].sort().values, nearest[point, :count])


def test_the_exported_path_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    made, inputs = trained(network()), jets([9, 3, 1, 12, 0])
    with torch.no_grad():
        quick = made(*inputs)
        monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
        monkeypatch.setattr(torch.compiler, "is_compiling", lambda: True)
        torch.testing.assert_close(made(*inputs), quick)


def test_torch_export_takes_any_number_of_jets_and_particles() -> None:
    made = trained(network())
    points, batch = torch.export.Dim("points", min=2), torch.export.Dim("batch", min=2)
    shapes = ({0: points}, {0: points}, {0: batch})
    program = torch.export.export(made, jets([9, 3, 6]), dynamic_shapes=shapes)
    other = jets([4, 30, 1, 8, 2], seed=5)
    with torch.no_grad():
        torch.testing.assert_close(program.module()(*other), made(*other))


def test_widths_are_the_papers() -> None:
    count = sum(p.numel() for p in ParticleNet(7, 2, 2).parameters())
    light = sum(p.numel() for p in ParticleNetLight(7, 2, 2).parameters())
    assert round(count / 1000) == 366  # arXiv:1902.08570, table 5
    assert round(light / 1000) == 26
