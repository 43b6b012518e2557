"""Costly observables are computed once for the same jets and options, and never mixed up."""

import numpy as np
import pytest

from bunchtrain.representations.preprocessing import observable_cache as module
from bunchtrain.representations.preprocessing.observable_cache import cached_observable


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "cache"))


def jets(number=600, seed=0):
    random = np.random.default_rng(seed)
    lengths = random.integers(1, 4, number)
    return random.normal(size=(lengths.sum(), 4)), lengths


class Sums:
    """Σ E of each jet, and how often that was computed."""

    def __init__(self):
        self.calls = 0

    def __call__(self, momenta, lengths):
        self.calls += 1
        return np.add.reduceat(momenta[:, :1], np.cumsum(lengths) - lengths)


def test_the_same_jets_are_computed_once():
    sums = Sums()
    first, again = (cached_observable("sum", *jets(), sums) for _ in range(2))
    assert sums.calls == 1
    assert first.dtype == np.float32
    assert np.array_equal(first, again)


def test_other_jets_lengths_or_options_are_computed_anew():
    sums = Sums()
    momenta, lengths = jets()
    split = np.concatenate([[1, lengths[0] + lengths[1] - 1], lengths[2:]])
    cached_observable("sum", momenta, lengths, sums)
    cached_observable("sum", momenta + 1e-9, lengths, sums)
    cached_observable("sum", momenta, split, sums)
    cached_observable("other", momenta, lengths, sums)
    assert sums.calls == 4 - int(np.array_equal(split, lengths))


def test_small_blocks_are_not_kept():
    sums = Sums()
    for _ in range(2):
        cached_observable("sum", *jets(10), sums)
    assert sums.calls == 2
    assert not module.folder().exists()


def test_a_disk_that_cannot_be_written_costs_nothing_but_time(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("BUNCHTRAIN_CACHE", str(tmp_path / "file"))
    sums = Sums()
    assert len(cached_observable("sum", *jets(), sums)) == 600
