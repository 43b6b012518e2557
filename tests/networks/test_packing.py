"""Packed points: sums, means and largest values a jet, padding and back, buckets."""

from __future__ import annotations

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from bunchtrain.networks.layers import packing

LENGTHS = st.lists(st.integers(0, 9), min_size=1, max_size=12).map(torch.tensor)


def points_of(lengths: torch.Tensor) -> torch.Tensor:
    generator = torch.Generator().manual_seed(int(lengths.sum()))
    return torch.randn(int(lengths.sum()), 3, generator=generator, dtype=torch.float64)


@settings(deadline=None)
@given(LENGTHS)
def test_segments_agree_with_a_loop_over_jets(lengths: torch.Tensor) -> None:
    values = points_of(lengths)
    jets = torch.split(values, lengths.tolist())
    zero = values.new_zeros(3)
    sums = torch.stack([jet.sum(0) for jet in jets])
    means = torch.stack([jet.mean(0) if len(jet) else zero for jet in jets])
    largest = torch.stack([jet.amax(0) if len(jet) else zero for jet in jets])
    torch.testing.assert_close(packing.segment_sum(values, lengths), sums)
    torch.testing.assert_close(packing.segment_mean(values, lengths), means)
    torch.testing.assert_close(packing.segment_max(values, lengths), largest)


@settings(deadline=None)
@given(LENGTHS)
def test_padding_and_packing_give_the_points_back(lengths: torch.Tensor) -> None:
    values = points_of(lengths)
    jets = torch.split(values, lengths.tolist())
    padded = torch.nn.utils.rnn.pad_sequence(jets, batch_first=True, padding_value=7.0)
    assert torch.equal(packing.to_packed(padded, lengths), values)


@settings(deadline=None)
@given(LENGTHS, st.floats(1.0, 2.0), st.integers(1, 6))
def test_buckets_hold_every_point_once(lengths: torch.Tensor, spread: float, least: int) -> None:
    found = list(packing.buckets(lengths, spread, least))
    held = [bucket.points[bucket.mask] for bucket in found]
    numbers = torch.cat(held) if held else torch.zeros(0, dtype=torch.long)
    assert torch.equal(numbers.sort().values, torch.arange(int(lengths.sum())))
    for bucket in found:
        assert torch.equal(bucket.mask.sum(1), bucket.lengths)
        assert bucket.points.shape[1] <= spread * max(int(bucket.lengths.min()), least)


def test_segment_sum_has_the_gradient_of_a_sum() -> None:
    lengths = torch.tensor([2, 0, 3])
    values = points_of(lengths).requires_grad_()
    assert torch.autograd.gradcheck(lambda v: packing.segment_sum(v, lengths), values)


@pytest.mark.parametrize("spread", [1.0, 3.0])
def test_no_jets_give_no_buckets(spread: float) -> None:
    assert not list(packing.buckets(torch.zeros(0, dtype=torch.long), spread))
