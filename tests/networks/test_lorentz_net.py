"""LorentzNet: its equations, and the symmetries it promises (arXiv:2201.08187)."""

import math

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from lorentz import (
    boost,
    check_independent_jets,
    check_order_does_not_matter,
    check_short_jets_train,
    momenta,
    rotation,
    transformation,
)

from bunchtrain.methods.supervised import input_names
from bunchtrain.networks.layers.four_momenta import add_beams, minkowski
from bunchtrain.networks.layers.pairs import linear_on_pairs, ordered_pairs
from bunchtrain.networks.lorentz_net import LorentzNet, signed_log

LENGTHS = [9, 0, 3, 1, 12]
seeds = st.integers(0, 2**31)


def network(**options):
    """Return a network whose momenta move, with running moments that it has seen."""
    torch.manual_seed(3)
    made = LorentzNet(4, 3, **{"width": 8, "blocks": 3, "dropout": 0.0, **options}).double()
    for block in made.blocks:
        if block.move is not None:
            torch.nn.init.xavier_uniform_(block.move[2].weight)
    with torch.no_grad():
        for seed in range(3):
            made.train()(momenta([9, 5, 7], seed), torch.tensor([9, 5, 7]))
    return made.eval()


@given(st.lists(st.integers(0, 5), min_size=1, max_size=5), st.booleans())
@settings(max_examples=30, deadline=None)
def test_all_pairs_are_those_of_a_loop(sizes, own):
    pairs = ordered_pairs(torch.tensor(sizes), sum(sizes), own)
    expected, begin = [], 0
    for size in sizes:
        jet = range(begin, begin + size)
        expected += [(i, j) for i in jet for j in jet if own or i != j]
        begin += size
    found = list(zip(pairs.receiver.tolist(), pairs.sender.tolist(), strict=True))
    assert found == expected
    assert [found[place] for place in pairs.mirror] == [(j, i) for i, j in found]
    assert torch.equal(pairs.count, torch.bincount(pairs.receiver, minlength=sum(sizes)))


def test_a_linear_layer_of_pairs_is_that_of_their_concatenation():
    pairs, points = ordered_pairs(torch.tensor([3, 2]), 5, include_self=True), torch.randn(5, 4)
    layer, seen = torch.nn.Linear(10, 6), torch.randn(13, 2)
    whole = torch.cat([points[pairs.receiver], points[pairs.sender], seen], 1)
    torch.testing.assert_close(linear_on_pairs(layer, points, pairs, seen), layer(whole))


def test_the_minkowski_product_and_psi_by_value():
    one, other = torch.tensor([[5.0, 1, 2, 3], [2, 0, 0, 1]])
    assert minkowski(one, other) == 7
    ψ = signed_log(torch.tensor([1 - math.e, 0, math.e**2 - 1]))
    torch.testing.assert_close(ψ, torch.tensor([-1.0, 0, 2]))


def test_the_equations_jet_by_jet():
    """Each block written out with every particle beside every other."""
    made, lengths = network(), [4, 6]
    p = momenta(lengths)
    expected = []
    for x in p.split(lengths):
        count = len(x)
        s = signed_log(minkowski(x, x))[:, None]
        h, others = made.embed(s), 1 - torch.eye(count).double()[..., None]
        for block in made.blocks:
            one, other = x[:, None].expand(-1, count, -1), x[None].expand(count, -1, -1)
            products = [minkowski(one - other, one - other), minkowski(one, other)]
            hi, hj = h[:, None].expand(-1, count, -1), h[None].expand(count, -1, -1)
            seen = torch.cat([hi, hj, signed_log(torch.stack(products, 2))], 2).flatten(0, 1)
            m = block.message(block.pair_norm(block.pair(seen)).relu()).relu()
            m = m.view(count, count, -1)
            heard = (others * torch.sigmoid(block.attention(m)) * m).sum(1)
            if block.move is not None:
                x = x + block.step * (others * block.move(m) * other).sum(1)
            gathered = block.gather_norm(block.gather(torch.cat([h, heard, s], 1)))
            h = h + block.update(gathered.relu())
        expected.append(made.head(h.mean(0)))
    torch.testing.assert_close(made(p, torch.tensor(lengths)), torch.stack(expected))


@pytest.mark.parametrize("beams", [False, True])
def test_jet_by_jet_equals_all_pairs_with_gradients_and_running_moments(beams, monkeypatch):
    lengths = torch.tensor([4, 0, 1, 7, 2])
    results = []
    for in_chunks in (False, True):
        made = network(beams=beams).train()
        monkeypatch.setattr(
            "bunchtrain.networks.lorentz_net.runs_in_chunks", lambda *_, chosen=in_chunks: chosen
        )
        p = momenta(lengths.tolist()).requires_grad_()
        outputs = made(p, lengths)
        outputs.square().sum().backward()
        gradients = {f"d {name}": one.grad for name, one in made.named_parameters()}
        state, inference = dict(made.state_dict()), made.eval()(p.detach(), lengths)
        results.append({"outputs": outputs, "p": p.grad, "eval": inference, **gradients, **state})
        assert all(one is not None for one in gradients.values())
    torch.testing.assert_close(results[1], results[0], rtol=1e-6, atol=1e-8)


def test_training_follows_inference():
    made, p, lengths = network(), momenta([4, 30]), torch.tensor([4, 30])
    with torch.inference_mode():
        made(p, lengths)
    made.train()(p, lengths).sum().backward()
    assert made.embed.weight.grad is not None


@pytest.mark.parametrize("seed", range(5))
def test_boosts_and_rotations_change_nothing(seed):
    made, p, lengths = network(), momenta(LENGTHS, seed), torch.tensor(LENGTHS)
    with torch.no_grad():
        before, after = made(p, lengths), made(p @ transformation(seed).T, lengths)
    torch.testing.assert_close(after, before, rtol=0, atol=1e-6)
    assert before.std(0).min() > 1e-3


def test_with_beams_only_what_leaves_the_beam_axis_changes_nothing():
    made, p, lengths = network(beams=True), momenta(LENGTHS), torch.tensor(LENGTHS)
    around = torch.eye(4, dtype=torch.float64)
    around[1:3, 1:3] = around.new_tensor([[0.6, -0.8], [0.8, 0.6]])
    with torch.no_grad():
        before = made(p, lengths)
        torch.testing.assert_close(made(p @ around.T, lengths), before, rtol=0, atol=1e-6)
        assert not torch.allclose(made(p @ boost([0.0, 0.0, 0.5]).T, lengths), before, atol=1e-5)
        assert not torch.allclose(made(p @ rotation(1).T, lengths), before, atol=1e-5)


def test_beams_come_after_the_particles_of_their_jet():
    p, lengths, beam = add_beams(momenta([2, 0, 1]), torch.tensor([2, 0, 1]))
    assert lengths.tolist() == [4, 2, 3]
    assert beam.tolist() == [False, False, True, True, True, True, False, True, True]
    assert p[beam][:, [0, 1, 2]].tolist() == [[1, 0, 0]] * 6
    assert sorted(p[2:4, 3].tolist()) == [-1, 1]
    torch.testing.assert_close(p[~beam], momenta([2, 0, 1]))
    p, _, beam = add_beams(momenta([2, 0, 1]), torch.tensor([2, 0, 1]), mass=1.0)
    torch.testing.assert_close(minkowski(p[beam], p[beam]), torch.ones(6).double())


@settings(max_examples=10, deadline=None)
@given(seed=seeds, beams=st.booleans())
def test_the_order_of_particles_does_not_matter(seed, beams):
    check_order_does_not_matter(network(beams=beams), seed)


def test_a_jet_does_not_see_the_others():
    check_independent_jets(network(), LENGTHS)


@pytest.mark.parametrize("lengths", [[0, 0], [1], [0, 1, 2]])
@pytest.mark.parametrize("beams", [False, True])
def test_short_jets_train(lengths, beams):
    check_short_jets_train(network(beams=beams).train(), lengths)


def test_what_it_needs_and_the_paper_s_size():
    """Six blocks of 72; the paper counts 224 thousand parameters."""
    assert input_names(LorentzNet) == ("momenta", "lengths")
    made = LorentzNet(4, 2, beams=True)
    assert len(made.blocks) == 6
    assert abs(sum(p.numel() for p in made.parameters()) - 224_000) < 2_000
