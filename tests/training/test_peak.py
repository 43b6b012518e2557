import numpy as np

from bunchtrain.training.process import peak_mb, reset_peak


def test_the_peak_contains_what_was_freed_again() -> None:
    reset_peak()
    before = peak_mb()
    block = np.ones(64 * 2**20, np.uint8)
    del block
    assert peak_mb() > before + 50
