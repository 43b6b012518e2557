"""Columns that objectives look at beside the outputs."""

from __future__ import annotations

from torch import Tensor

from bunchtrain.batch import Batch
from bunchtrain.errors import DataError


def spectator(batch: Batch, name: str) -> Tensor:
    """Return the values of a column, (batch,).

    Raises DataError if the batch lacks it.
    """
    if name not in batch.spectators:
        raise DataError(f"the batch has no spectator '{name}'; it has {list(batch.spectators)}")
    return batch.spectators[name]
