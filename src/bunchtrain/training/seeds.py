"""Seeds: one number from several, so that every epoch and worker has its own."""

from __future__ import annotations

import numpy as np


def mixed(*numbers: int) -> int:
    """Return a seed in [0, 2³²) that depends on these numbers and their order alone."""
    return int(np.random.SeedSequence(numbers).generate_state(1)[0])
