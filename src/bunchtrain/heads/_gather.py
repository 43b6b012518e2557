"""Rows of all workers in one tensor, for losses that are not a sum over events."""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.distributed.nn.functional import all_gather


def gather_rows(rows: Tensor) -> Tensor:
    """Return the rows of all workers, concatenated by rank: (all, columns) from (own, columns).

    Gradients flow back to the worker of a row. It is a collective operation: every worker must call
    it equally often; the counts of rows may differ. One worker gets its rows unchanged.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return rows
    lengths = rows.new_zeros(distributed.get_world_size(), dtype=torch.int64)
    lengths[distributed.get_rank()] = len(rows)
    distributed.all_reduce(lengths)
    padding = int(lengths.max()) - len(rows)
    padded = torch.nn.functional.pad(rows, (0, 0, 0, padding))
    shares: tuple[Tensor, ...] = all_gather(padded)  # type: ignore[no-untyped-call]
    return torch.cat([share[:n] for share, n in zip(shares, lengths.tolist(), strict=True)])
