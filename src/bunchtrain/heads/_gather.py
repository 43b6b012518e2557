"""Rows of all workers in one tensor, for terms that are no sum over events."""

from __future__ import annotations

import torch
from torch import Tensor, distributed
from torch.distributed.nn.functional import all_gather


def everywhere(rows: Tensor) -> Tensor:
    """Return the rows of all workers, worker after worker: (all, columns) from (own, columns).

    Gradients flow back to the worker that a row came from. Every worker must call it as often as
    the others; the numbers of their rows may differ. One worker gets its rows as they are.
    """
    if not (distributed.is_available() and distributed.is_initialized()):
        return rows
    lengths = rows.new_zeros(distributed.get_world_size(), dtype=torch.int64)
    lengths[distributed.get_rank()] = len(rows)
    distributed.all_reduce(lengths)
    missing = int(lengths.max()) - len(rows)
    padded = torch.nn.functional.pad(rows, (0, 0, 0, missing))
    shares: tuple[Tensor, ...] = all_gather(padded)  # type: ignore[no-untyped-call]
    return torch.cat([share[:n] for share, n in zip(shares, lengths.tolist(), strict=True)])
