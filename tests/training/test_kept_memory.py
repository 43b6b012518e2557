"""Freed memory is kept inside, and given back at the end."""

import resource
import sys

import pytest
import torch

from bunchtrain.training.kept_memory import kept_memory

BIG = 2**24  # numbers of 4 bytes, 64 MB


def faults():
    """Return how many pages the system clears for ten large tensors, one after the other."""
    for _ in range(10):
        torch.ones(BIG)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(BIG)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


@pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")
def test_memory_is_cleared_once_inside_and_given_back_afterwards():
    outside = faults()
    with kept_memory():
        assert faults() < outside / 10
    assert faults() > outside / 2
