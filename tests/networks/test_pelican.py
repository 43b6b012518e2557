"""PELICAN: the 15 maps, and the symmetries that it promises (arXiv:2211.00454)."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lorentz import (
    check_independent_jets,
    check_order_does_not_matter,
    check_short_jets_train,
    momenta,
    rotation,
    transformation,
)

from bunchtrain.methods.supervised import input_names
from bunchtrain.networks.pelican import PairMatrices, Pelican, PelicanBlock

LENGTHS = [9, 0, 3, 1, 12]


def network(**options):
    """Return a network with running moments that it has seen."""
    torch.manual_seed(3)
    small = {"width": 6, "messages": 5, "blocks": 2, "dropout": 0.0}
    made = Pelican(4, 3, **{**small, **options}).double()
    with torch.no_grad():
        for seed in range(3):
            made.train()(momenta([9, 5, 7], seed), torch.tensor([9, 5, 7]))
    return made.eval()


def test_a_block_is_the_sum_of_the_fifteen_maps():
    torch.manual_seed(1)
    block, count = PelicanBlock(3, 2, typical=7.0, dropout=0.0).double().eval(), 4
    torch.nn.init.normal_(block.bias)
    tables = PairMatrices(torch.tensor([count]), count)
    values = torch.randn(count**2, 3, dtype=torch.float64)
    seen = block.messages(values).view(count, count, 2)
    ones, unit = torch.ones(count, count, 1), torch.eye(count)[..., None]
    scale = (count / 7.0) ** block.count.exponent
    rows, columns = seen.mean(1) * scale, seen.mean(0) * scale
    diagonal = seen.diagonal().T
    maps = [seen, seen.transpose(0, 1)]
    for where in (
        lambda v: v[:, None] * ones,
        lambda v: v[None] * ones,
        lambda v: v[:, None] * unit,
    ):
        maps += [where(rows), where(columns), where(diagonal)]
    for where in (ones, unit):
        maps += [seen.mean((0, 1)) * scale * where, diagonal.mean(0) * scale * where]
    weight = block.before * block.mixing[0] + block.after * block.mixing[1]
    mixed = torch.einsum("aijc,aoc->ijo", torch.stack(maps), weight)
    mixed = mixed + block.bias[0] + unit * block.bias[1]
    expected = torch.nn.functional.leaky_relu(mixed).flatten(0, 1)
    torch.testing.assert_close(block(values, tables), expected)


@pytest.mark.parametrize("seed", range(5))
def test_boosts_and_rotations_change_nothing(seed):
    made, p, lengths = network(), momenta(LENGTHS, seed), torch.tensor(LENGTHS)
    with torch.no_grad():
        before, after = made(p, lengths), made(p @ transformation(seed).T, lengths)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    assert before.std(0).min() > 1e-3


def test_beams_break_the_symmetry():
    made, p, lengths = network(beams=True), momenta(LENGTHS), torch.tensor(LENGTHS)
    around = torch.eye(4, dtype=torch.float64)
    around[1:3, 1:3] = around.new_tensor([[0.6, -0.8], [0.8, 0.6]])
    with torch.no_grad():
        before = made(p, lengths)
        torch.testing.assert_close(made(p @ around.T, lengths), before, rtol=0, atol=1e-6)
        assert not torch.allclose(made(p @ rotation(1).T, lengths), before, atol=1e-5)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31), beams=st.booleans())
def test_the_order_of_particles_does_not_matter(seed, beams):
    check_order_does_not_matter(network(beams=beams), seed)


def test_a_jet_does_not_see_the_others():
    check_independent_jets(network(), LENGTHS)


@pytest.mark.parametrize("lengths", [[0, 0], [1], [0, 1, 2]])
@pytest.mark.parametrize("beams", [False, True])
def test_short_jets_train(lengths, beams):
    check_short_jets_train(network(beams=beams).train(), lengths)


def test_what_it_needs_and_the_paper_s_size():
    """Five blocks of 60 and 35 channels; the paper counts 45 thousand parameters."""
    assert input_names(Pelican) == ("momenta", "lengths")
    assert abs(sum(p.numel() for p in Pelican(4, 2).parameters()) - 45_000) < 3_000
