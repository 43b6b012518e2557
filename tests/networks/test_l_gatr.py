"""L-GATr: the symmetries that it promises, with and without references (arXiv:2405.14806)."""

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

from bunchtrain.errors import StudyError
from bunchtrain.methods.supervised import input_names
from bunchtrain.networks.l_gatr import LGATr
from bunchtrain.networks.layers.attention import prepend_tokens

LENGTHS = [9, 0, 3, 1, 12]
SMALL = {"multivectors": 4, "scalars": 6, "blocks": 2, "heads": 2}


def network(**options):
    torch.manual_seed(3)
    return LGATr(4, 3, **{**SMALL, **options}).double().eval()


def outputs(made, matrix=None):
    p = momenta(LENGTHS)
    with torch.no_grad():
        return made(p if matrix is None else p @ matrix.T, torch.tensor(LENGTHS))


@pytest.mark.parametrize("seed", range(5))
def test_boosts_and_rotations_change_nothing_without_references(seed):
    made = network(beam=False, time=False)
    before = outputs(made)
    torch.testing.assert_close(outputs(made, transformation(seed)), before, rtol=0, atol=1e-6)
    assert before.std(0).min() > 1e-3


def test_the_beam_leaves_what_leaves_the_plane_across_it():
    made = network(beam=True, time=False)
    around = torch.eye(4, dtype=torch.float64)
    around[1:3, 1:3] = around.new_tensor([[0.6, -0.8], [0.8, 0.6]])
    before = outputs(made)
    for matrix in (around, boost([0.0, 0.0, 0.6])):
        torch.testing.assert_close(outputs(made, matrix), before, rtol=0, atol=1e-6)
    for matrix in (rotation(1), boost([0.6, 0.0, 0.0])):
        assert not torch.allclose(outputs(made, matrix), before, atol=1e-4)


def test_time_leaves_rotations_and_no_boosts():
    made = network(beam=False, time=True)
    before = outputs(made)
    torch.testing.assert_close(outputs(made, rotation(1)), before, rtol=0, atol=1e-6)
    assert not torch.allclose(outputs(made, boost([0.0, 0.0, 0.6])), before, atol=1e-4)


@settings(max_examples=10, deadline=None)
@given(seed=st.integers(0, 2**31))
def test_the_order_of_particles_does_not_matter(seed):
    check_order_does_not_matter(network(), seed)


def test_a_jet_does_not_see_the_others():
    check_independent_jets(network(), LENGTHS)


@pytest.mark.parametrize("lengths", [[0, 0], [1], [0, 1, 2]])
def test_short_jets_train(lengths):
    check_short_jets_train(network().train(), lengths)


def test_tokens_come_first_in_their_jets():
    lengths, source = prepend_tokens(torch.tensor([2, 0, 1]), 3, 2)
    assert lengths.tolist() == [4, 2, 3]
    assert source.tolist() == [0, 1, 6, 7, 2, 3, 4, 5, 8]


def test_how_jets_are_put_together_and_exported_does_not_matter(monkeypatch):
    made = network()
    expected = outputs(made)
    made.spread = 9.0
    torch.testing.assert_close(outputs(made), expected)
    monkeypatch.setattr(torch.compiler, "is_exporting", lambda: True)
    torch.testing.assert_close(outputs(made), expected)


def test_what_it_needs_and_the_paper_s_size():
    """Twelve blocks of 16 multivectors and 32 scalars; the paper counts 1.1 million parameters."""
    assert input_names(LGATr) == ("momenta", "lengths")
    paper = LGATr(4, 2, multivectors=16, scalars=32, blocks=12, heads=8)
    assert abs(sum(p.numel() for p in paper.parameters()) / 1.1e6 - 1) < 0.15


def test_heads_must_divide_the_channels():
    with pytest.raises(StudyError, match="5 heads do not divide 2 × 8 multivectors"):
        LGATr(4, 2, heads=5)
