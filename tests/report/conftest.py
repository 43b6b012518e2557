import numpy as np
import pytest


@pytest.fixture
def jets():
    """Probabilities (events, classes) of two classes, and the truth."""
    truth = np.repeat([0, 1], 3000)
    x = np.random.default_rng(11).normal(2.0 * truth)
    p = 1 / (1 + np.exp(-2 * x + 2))
    return np.stack([1 - p, p], axis=1), truth
