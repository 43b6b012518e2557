"""Linear function of a tensor that is added to the outputs of a network.

The samples of a pulse are so correlated that gradient descent takes thousands of steps for the
linear estimate that least squares give at once. A network that begins with it learns what is not
linear, and can lose nothing to it.
"""

from __future__ import annotations

from torch import nn

from bunchtrain.errors import StudyError

#: Largest number of values with a least-squares estimate, whose cost grows with the square.
LIMIT = 4096


class LinearEstimate(nn.Linear):
    """W x + b of some values, which begins as the least-squares estimate of a target.

    size     number of values in an event.
    outputs  number of outputs.

    Raises StudyError for too many values.
    """

    def __init__(self, size: int, outputs: int) -> None:
        if size > LIMIT:
            raise StudyError(
                f"linear: the least-squares estimate from {size:,} values is too large, of more "
                f"than {LIMIT:,}; leave 'linear' out or give fewer values"
            )
        super().__init__(size, outputs)
