"""Check of the memory of the weights of a network before it is allocated."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

from bunchtrain.errors import StudyError
from bunchtrain.methods import memory_limit

#: Bytes of one weight in training: its value, its gradient and two moments of the optimiser.
_WEIGHT = 16


class WeightLimit(TorchFunctionMode):
    """Context that raises StudyError before tensors are made that this machine cannot train.

    It is a mode of functions: one of dispatch would import the compiler of torch, which takes
    seconds.

    model  name of the model, for the message.
    """

    def __init__(self, model: str) -> None:
        super().__init__()
        self.model, self.count = model, 0

    def __torch_function__(
        self,
        func: Callable[..., Any],
        types: Iterable[Any],
        args: tuple[Any, ...] = (),
        kwargs: Mapping[str, Any] | None = None,
    ) -> Any:
        """Count the elements of new tensors, and call the function."""
        if func in _CREATING:
            self.count += _elements(args, kwargs or {})
            if self.count * _WEIGHT > memory_limit.machine_memory():
                raise StudyError(
                    f"model '{self.model}' has more than {self.count:,} weights, which take "
                    f"{self.count * _WEIGHT / 1e9:,.0f} GB in training, and this machine has "
                    f"{memory_limit.machine_memory() / 1e9:,.0f} GB; give smaller widths"
                )
        return func(*args, **(kwargs or {}))


_CREATING = {
    torch.empty, torch.zeros, torch.ones, torch.full, torch.randn, torch.rand, torch.eye,
}  # fmt: skip


def _elements(args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> int:
    """Return the number of elements of a new tensor, from the size in the arguments."""
    size = kwargs.get("size", args[0] if args and isinstance(args[0], list | tuple) else args)
    return math.prod(int(one) for one in size)
