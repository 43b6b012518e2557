"""Reproducible random numbers per event: hashes, the same on every machine and in every order."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15


def splitmix64(value: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """Return the SplitMix64 hash of integers, (events,) → (events,).

    Steele, Lea and Flood, OOPSLA 2014; every bit of the result depends on every bit of the input.
    """
    mixed = value + np.uint64(_GOLDEN)
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return mixed ^ (mixed >> np.uint64(31))


def hash_ids(seed: int, purpose: str, *ids: NDArray[np.int64]) -> NDArray[np.uint64]:
    """Return a hash of the identifiers of each event, (events,) each → (events,).

    Hashes for different purposes are independent: the training order does not depend on the split.
    """
    salt = int.from_bytes(purpose.encode().ljust(8, b"\0")[:8], "little") ^ (seed * _GOLDEN)
    state = np.full(len(ids[0]), salt & _MASK, dtype=np.uint64)
    for column in ids:
        state = splitmix64(state ^ splitmix64(column.view(np.uint64)))
    return state


def uniform(hashes: NDArray[np.uint64]) -> NDArray[np.float64]:
    """Return uniform random numbers in [0, 1) from hashes, (events,) → (events,)."""
    return (hashes >> np.uint64(11)).astype(np.float64) * 2.0**-53
