"""Observables that cost much, kept on disk under a hash of all that they follow from.

Several networks of a study, seeds and runs look at the same jets; N-subjettiness or polynomials are
then computed once. Deleting the folder costs time and nothing else.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from bunchtrain.errors import MachineError
from bunchtrain.files import aside, cache_folder
from bunchtrain.physics.packed import Floats, Ints

#: Jets in a block that is worth keeping.
LEAST = 500


def folder() -> Path:
    """Return where observables are kept: $BUNCHTRAIN_CACHE or ~/.cache/bunchtrain."""
    return cache_folder() / "observables"


def kept(
    recipe: str,
    momenta: Floats,
    lengths: Ints,
    compute: Callable[[Floats, Ints], Floats],
) -> NDArray[np.float32]:
    """Return `compute(momenta, lengths)` as float32, from disk if it was computed before.

    Args:
        recipe: says what is computed, with all options and the version of the code.
        momenta: (points, 4) in GeV, packed.
        lengths: (jets,) points of each jet.
        compute: gives (jets, observable).
    """
    if len(lengths) < LEAST:
        return compute(momenta, lengths).astype(np.float32)
    path = folder() / f"{_hash(recipe, momenta, lengths)}.npy"
    if path.is_file():
        return np.asarray(np.load(path))
    table = compute(momenta, lengths).astype(np.float32)
    _keep(table, path)
    return table


def _hash(recipe: str, *arrays: NDArray[np.generic]) -> str:
    found = hashlib.blake2b(recipe.encode(), digest_size=20)
    for array in arrays:
        found.update(np.ascontiguousarray(array).data)
    return found.hexdigest()


def _keep(table: NDArray[np.float32], path: Path) -> None:
    # A full or read-only disk costs time and not the run.
    with suppress(MachineError), aside(path) as part, open(part, "wb") as file:
        np.save(file, table)
