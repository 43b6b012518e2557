"""Check of the memory of a batch before it is allocated."""

from __future__ import annotations

import math
import os
from collections.abc import Mapping
from typing import Any

from bunchtrain.errors import StudyError

#: Bytes of one number of a batch.
_NUMBER = 4


def machine_memory() -> int:
    """Return the bytes of memory of this machine."""
    return os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def check_batch(sizes: Mapping[str, Any], events: int) -> None:
    """Raise StudyError if the tensors of a batch do not fit into the memory of this machine.

    sizes   tensor → its size for one event or point: a number or (channels, rows, columns).
    events  of a batch.
    """
    for name, size in sizes.items():
        shape = size if isinstance(size, tuple) else (size,)
        needed = math.prod(shape) * events * _NUMBER
        if needed > machine_memory() / 2:
            text = " × ".join(map(str, shape))
            raise StudyError(
                f"a batch of {events:,} events of the tensor '{name}', {text} numbers each, takes "
                f"{needed / 1e9:,.0f} GB; make it or 'training.batch_size' smaller"
            )
