"""Exact arithmetic on arrays: the interface between a quantised layer and NumPy or a tracer.

In addition to `forward` on tensors, a quantised layer has `exact(x, arithmetic)` on arrays. It uses
`@`, `+`, `-`, `*` with exact constants, indexing with integer arrays, `reshape`, `concatenate` and
the two functions below: the same code computes values with NumPy and traces a circuit with alkaid's
`FVArray`, whose `alkaid.trace.ops` has functions of these names and signatures.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]


class Arithmetic(Protocol):
    """The functions that `exact` calls; implemented by this module and by `alkaid.trace.ops`."""

    def quantize(
        self, x: Any, k: Any, i: Any, f: Any, overflow_mode: str = ..., round_mode: str = ...
    ) -> Any:
        """Return x in the format of k sign, i integer and f fractional bits."""

    def relu(self, x: Any) -> Any:
        """Return max(x, 0)."""


def quantize(
    x: NDArray[np.float64],
    k: Integers,
    i: Integers,
    f: Integers,
    overflow_mode: str = "WRAP",
    round_mode: str = "TRN",
) -> NDArray[np.float64]:
    """Return x in fixed point, as `fixed_point` does, in double precision."""
    scale = np.exp2(np.asarray(f, np.float64))
    rounded = np.floor(x * scale + (0.5 if round_mode == "RND" else 0.0)) / scale
    top = np.exp2(np.asarray(i, np.float64))
    low, high = -k * top, top - 1 / scale
    if overflow_mode == "WRAP":
        rounded = (rounded - low) % (top * np.exp2(k)) + low
    else:
        rounded = np.clip(rounded, -k * high if overflow_mode == "SAT_SYM" else low, high)
    return np.where(k + i + f > 0, rounded, 0.0)


def rounding_offset(sums: Any, added: NDArray[np.float64], f: Integers) -> NDArray[np.float64]:
    """Return the offset that turns rounding down of `sums + added` to f bits into rounding half up.

    It is half a step, or 0 where neither the traced sum nor `added` has bits below the step.
    """
    scale = np.exp2(np.asarray(f, np.float64))
    traced_format = getattr(sums, "kif", None)
    if traced_format is None:
        return 0.5 / scale
    finer = (np.asarray(traced_format[2]) > f) | ((added * scale) % 1 != 0)
    return np.where(finer, 0.5 / scale, 0.0)


def relu(x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return max(x, 0)."""
    return np.maximum(x, 0)


def table(function: Callable[[Any], Any], x: Any) -> Any:
    """Return a function of each element; in a circuit a look-up table, to be quantised directly."""
    return x.apply(function) if hasattr(x, "apply") else function(x)
