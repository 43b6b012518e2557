"""Freed memory is kept inside, and given back at the end."""

import re
import resource
import sys
from pathlib import Path

import pytest
import torch

from bunchtrain.training.process import keep_freed_memory

BIG = 2**24  # numbers of 4 bytes, 64 MB

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="a setting of glibc")


def faults():
    """Return how many pages the system clears for ten large tensors, one after the other."""
    for _ in range(10):
        torch.ones(BIG)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(10):
        torch.ones(BIG)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before


def resident():
    """Return the memory of this process in bytes."""
    status = Path("/proc/self/status").read_text()
    return 2**10 * int(re.search(r"VmRSS:\s*(\d+) kB", status)[1])


def test_pages_are_cleared_once():
    with keep_freed_memory():
        assert faults() < BIG * 4 / resource.getpagesize()  # those of one tensor


def test_freed_memory_is_given_back_at_the_end():
    with keep_freed_memory():
        torch.ones(BIG)
        inside = resident()
    assert resident() < inside - 2 * BIG
