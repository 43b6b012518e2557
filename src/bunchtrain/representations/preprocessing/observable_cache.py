"""Disk cache of expensive observables, keyed by a content hash.

Models, seeds and runs that use the same jets compute N-subjettiness or polynomials once. The folder
can be deleted at any time.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import MachineError, UserError
from bunchtrain.files import atomic_path, cache_folder
from bunchtrain.physics.packed import Floats, Ints

#: Smallest number of jets in a cached block.
MIN_JETS = 500


def folder() -> Path:
    """Return the folder of the cache: under $BUNCHTRAIN_CACHE or ~/.cache/bunchtrain."""
    return cache_folder() / "observables"


def cached_observable(
    recipe: str, momenta: Floats, lengths: Ints, compute: Callable[[Floats, Ints], Floats]
) -> NDArray[np.float32]:
    """Return `compute(momenta, lengths)` as float32, from the cache if it is there.

    recipe   description of the observables, with all options and the version of the code.
    momenta  (points, 4) in GeV, packed.
    lengths  (jets,) points of each jet.
    compute  function that returns (jets, observable).
    """
    if len(lengths) < MIN_JETS:
        return compute(momenta, lengths).astype(np.float32)
    path = folder() / f"{_hash(recipe, momenta, lengths)}.npy"
    if path.is_file():
        return np.asarray(np.load(path))
    table = compute(momenta, lengths).astype(np.float32)
    _store(table, path)
    return table


def _hash(recipe: str, *arrays: NDArray[np.generic]) -> str:
    found = hashlib.blake2b(recipe.encode(), digest_size=20)
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _store(table: NDArray[np.float32], path: Path) -> None:
    # A full or read-only disk must not stop the run.
    with suppress(MachineError, UserError), atomic_path(path) as part, open(part, "wb") as file:
        np.save(file, table)
