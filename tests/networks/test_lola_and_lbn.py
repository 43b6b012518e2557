"""LoLa and LBN: by value, at rest, and without the other jets (arXiv:1707.08966, 1812.09722)."""

import pytest
import torch
from lorentz import boost, momenta, rotation, transformation

from bunchtrain.methods.supervised import input_names
from bunchtrain.networks.layers.four_momenta import boost as boost_into
from bunchtrain.networks.layers.four_momenta import minkowski
from bunchtrain.networks.layers.packing import leading_points
from bunchtrain.networks.lbn import LBN
from bunchtrain.networks.lola import Lola

LENGTHS = [4, 0, 3, 1, 12]
KINDS = [Lola, LBN]


def network(kind):
    """Return a network with running moments that it has seen."""
    torch.manual_seed(3)
    made = kind(4, 2, particles=6, combinations=3, widths=(5,)).double()
    with torch.no_grad():
        for seed in range(3):
            made.train()(momenta([9, 5, 7], seed), torch.tensor([9, 5, 7]))
    return made.eval()


def test_the_leading_points_are_the_first_of_each_jet():
    p = momenta([4, 0, 1])
    leading = leading_points(p, torch.tensor([4, 0, 1]), 3)
    torch.testing.assert_close(leading[0], p[:3])
    assert not leading[1].any()
    torch.testing.assert_close(leading[2, 0], p[4])
    assert not leading[2, 1:].any()


def test_the_lorentz_layer_vector_by_vector():
    made, p = network(Lola), momenta([10])
    found = made.lorentz_layer(p[None])[0]
    for j, k in enumerate(p):
        distance = minkowski(k - p, k - p)
        expected = [
            k[0] ** 2 - k[1:].square().sum(),
            k[1:3].norm(),
            (made.energy[j] * p[:, 0]).sum(),
            (made.distance[2, j] * distance).min(),
            (made.distance[3, j] * distance).min(),
            (made.distance[0, j] * distance).sum(),
            (made.distance[1, j] * distance).sum(),
        ]
        torch.testing.assert_close(found[j], torch.stack(expected))


def test_the_combination_layer_keeps_the_momenta_and_their_sum():
    made, p = network(Lola), momenta([6])
    combined = made.combination_layer(p[None])[0]
    torch.testing.assert_close(combined[0], p.sum(0))
    torch.testing.assert_close(combined[1:7], p)
    torch.testing.assert_close(combined[7:], made.combine.T @ p)


def test_all_but_pt_and_energy_of_the_lorentz_layer_are_invariant():
    made, p = network(Lola), momenta([10])
    one = made.lorentz_layer(p[None])
    other = made.lorentz_layer((p @ transformation(2).T)[None])
    invariant = [0, 3, 4, 5, 6]
    torch.testing.assert_close(one[..., invariant], other[..., invariant])


def test_a_boost_into_its_own_frame_leaves_the_mass():
    p = momenta([8])
    rest = boost_into(p, p)
    torch.testing.assert_close(rest[:, 0], torch.full((8,), 0.14, dtype=torch.float64))
    torch.testing.assert_close(rest[:, 1:], torch.zeros(8, 3).double(), atol=1e-9, rtol=0)


def test_boosts_are_those_of_the_matrix():
    p, frame = momenta([8]), momenta([1], seed=4) + torch.tensor([30.0, 0, 0, 0]).double()
    matrix = boost(frame[0, 1:] / frame[0, 0])
    torch.testing.assert_close(boost_into(p, frame), p @ matrix.T)


def test_a_frame_without_mass_or_without_energy_moves_nothing_to_infinity():
    p, light = momenta([3]), torch.tensor([[5.0, 0, 3, 4]]).double()
    gamma = boost_into(torch.tensor([[1.0, 0, 0, 0]]).double(), light)[0, 0]
    torch.testing.assert_close(gamma, torch.tensor(1000.0).double(), rtol=1e-5, atol=0)
    torch.testing.assert_close(boost_into(p, torch.zeros(1, 4).double()), p)


def test_energies_masses_and_angles_between_are_seen_alike_from_anywhere():
    """The frames move with the jet; what is left of the transformation is a rotation."""
    made, p, turned = network(LBN), momenta([6]), rotation(5)
    weights = made.weights.detach().abs()
    frames, particles = weights[1] @ p, weights[0] @ p
    one = made.boosted_features(boost_into(particles, frames)[None], torch.float64)[0]
    matrix = turned @ boost([0.2, -0.3, 0.5])
    other = made.boosted_features(
        boost_into(particles @ matrix.T, frames @ matrix.T)[None], torch.float64
    )[0]
    torch.testing.assert_close(one[:3], other[:3])  # ln E
    torch.testing.assert_close(one[6:9], other[6:9])  # ln m


def test_lbn_does_not_lose_masses_in_single_precision():
    made, p, lengths = network(LBN), momenta(LENGTHS).float(), torch.tensor(LENGTHS)
    with torch.no_grad():
        exact = made(p.double(), lengths)
        torch.testing.assert_close(made.float()(p, lengths).double(), exact, atol=1e-4, rtol=0)


@pytest.mark.parametrize("kind", KINDS)
def test_a_jet_does_not_see_the_others(kind):
    made, p = network(kind), momenta(LENGTHS)
    with torch.no_grad():
        parts = zip(p.split(LENGTHS), LENGTHS, strict=True)
        alone = torch.cat([made(part, torch.tensor([n])) for part, n in parts])
        torch.testing.assert_close(made(p, torch.tensor(LENGTHS)), alone)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("lengths", [[0, 0], [1], [0, 1, 2]])
def test_short_jets_train(kind, lengths):
    made = network(kind).train()
    output = made(momenta(lengths), torch.tensor(lengths))
    output.sum().backward()
    assert output.isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


@pytest.mark.parametrize(("kind", "size"), [(Lola, 127_000), (LBN, 705_000)])
def test_what_they_need_and_the_comparison_s_size(kind, size):
    """Parameters as arXiv:1902.09914 counts them."""
    assert input_names(kind) == ("momenta", "lengths")
    assert abs(sum(p.numel() for p in kind(4, 2).parameters()) / size - 1) < 0.03
