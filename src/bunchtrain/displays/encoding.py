"""Numbers as texts for the script of a display."""

from __future__ import annotations

import base64
from typing import Any

import numpy as np


def encode(values: Any) -> str:
    """Return numbers (n,) as base64 of little-endian float32."""
    return base64.b64encode(np.asarray(values, "<f4").tobytes()).decode()


def encode_indices(values: Any) -> str:
    """Return whole numbers below 2²⁴ (n,), which float32 holds exactly."""
    return encode(values)


def encode_column(values: Any, unit: str = "", integer: bool = False) -> dict[str, Any]:
    """Return a column of points for the script: its numbers, unit, and whether they are whole.

    Whole numbers that float32 cannot hold are rounded and are shown as such.
    """
    finite = np.asarray(values)[np.isfinite(values)]
    is_exact = not len(finite) or float(np.abs(finite).max()) <= 2**24
    return {"data": encode(values), "unit": unit, "integer": integer and is_exact}
