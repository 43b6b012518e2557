"""Columns of arrays of one shape: windows, histograms and grids of cells."""

from __future__ import annotations

from math import prod

import awkward as ak
import numpy as np

from bunchtrain.errors import DataError
from bunchtrain.physics.packed import Floats
from bunchtrain.tables.expressions.expression import Expression, require_numbers


def fixed_arrays(
    expression: Expression, events: ak.Array, shape: tuple[int, ...], advice: str
) -> Floats:
    """Return the values of an expression as arrays of one shape, (events, *shape) float32.

    An event has lists of this shape, or one flat list of as many numbers, the last axis fastest.

    advice  end of the message of an error, what to do.

    Raises DataError, naming the entry, if one has another shape.
    """
    values = expression(events)
    require_numbers(values, expression.text)
    if values.ndim not in (2, len(shape) + 1):
        _fail(expression, shape, f"gives {values.ndim - 1} axes", advice)
    for axis, length in enumerate(shape if values.ndim > 2 else (prod(shape),), 1):
        counts = ak.num(values, axis=axis)
        right = counts == length
        for _ in range(axis - 1):
            right = ak.all(right, axis=-1)
        wrong = np.flatnonzero(~ak.to_numpy(right))
        if len(wrong):
            entry = int(events["entry"][wrong[0]]) if "entry" in events.fields else int(wrong[0])
            found = np.ravel(ak.to_list(counts[wrong[0]]))[0]
            _fail(expression, shape, f"entry {entry} has {found} on axis {axis}", advice)
    flat = ak.to_numpy(ak.flatten(values, axis=None))
    return np.asarray(flat, np.float32).reshape(len(values), *shape)


def _fail(expression: Expression, shape: tuple[int, ...], found: str, advice: str) -> None:
    wanted = " × ".join(f"{length:,}" for length in shape)
    raise DataError(
        f"'{expression.text}' must give lists of {wanted} numbers, and {found}; {advice}"
    )
