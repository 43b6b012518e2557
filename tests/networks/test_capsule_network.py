"""Capsules: squashing and routing by value, and the published network's size (arXiv:1710.09829)."""

import pytest
import torch

from bunchtrain.errors import StudyError
from bunchtrain.networks.capsule_network import CapsuleNetwork, route, squash

SMALL = {"filters": 4, "kernel": 5, "kinds": 2, "primary": 3, "dimension": 4}


def test_squashing_keeps_directions_and_brings_lengths_below_one():
    vectors = torch.tensor([[3.0, 4.0], [0.03, 0.04], [0.0, 0.0]]).double()
    expected = torch.tensor([[0.6, 0.8], [0.6, 0.8], [0.0, 0.0]]).double()
    lengths = torch.tensor([[25 / 26], [0.0025 / 1.0025], [0.0]]).double()
    torch.testing.assert_close(squash(vectors), expected * lengths, atol=1e-8, rtol=1e-5)


def test_routing_is_the_loop_of_the_paper():
    predictions = torch.randn(2, 5, 3, 4, dtype=torch.float64)
    found = route(predictions, 3)
    for event, u in enumerate(predictions):
        b = torch.zeros(5, 3, dtype=torch.float64)
        for _ in range(3):
            c = b.softmax(1)
            v = torch.stack([squash(sum(c[i, j] * u[i, j] for i in range(5))) for j in range(3)])
            b = b + torch.tensor([[u[i, j] @ v[j] for j in range(3)] for i in range(5)])
        torch.testing.assert_close(found[event], v)


def test_routing_sends_those_who_disagree_elsewhere():
    predictions = torch.full((1, 8, 2, 4), 0.2)
    predictions[0, 7, 0] = -0.2  # one predicts the opposite for the first class
    predictions[0, :, 1] = 0.0
    once, often = (route(predictions, n).norm(dim=2)[0, 0] for n in (1, 4))
    assert often > once


def test_the_outputs_are_the_lengths_of_the_capsules_that_can_be_read():
    made, image = CapsuleNetwork((3, 17, 14), 2, **SMALL), torch.rand(4, 3, 17, 14)
    capsules = made.capsules(image)
    assert capsules.shape == (4, 2, 4)
    torch.testing.assert_close(made(image), capsules.norm(dim=2), atol=1e-4, rtol=0)
    assert made(image).max() < 1


def test_an_empty_image_has_an_output_and_gradients_flow():
    made, image = CapsuleNetwork((1, 16, 16), 2, **SMALL), torch.zeros(2, 1, 16, 16)
    image[1, 0, 3, 4] = 1
    made(image).sum().backward()
    assert made(image).isfinite().all()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in made.parameters())


def test_the_published_network_has_its_numbers_of_capsules_and_weights():
    """On 28 × 28 pixels and 10 classes: 1152 primary capsules, 6.8 million weights (no decoder)."""
    made = CapsuleNetwork((1, 28, 28), 10, filters=256, kinds=32)
    assert made.weight.shape[0] == 32 * 6 * 6
    assert made.weight.numel() == 1152 * 10 * 8 * 16
    assert abs(sum(p.numel() for p in made.parameters()) / 6.8e6 - 1) < 0.01


def test_an_image_that_is_too_small_raises():
    with pytest.raises(StudyError, match="at least 17 pixels a side and got one of 40 × 12"):
        CapsuleNetwork((1, 40, 12), 2)
