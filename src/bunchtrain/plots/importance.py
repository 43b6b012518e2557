"""Importance of each input as horizontal bars, the largest on top."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import COLOURS, canvas, styled

LONGEST = 40  # characters of a name beside the axis


def shortened(name: str) -> str:
    """Return a name of at most `LONGEST` characters, its middle left out where it is longer."""
    head, tail = LONGEST // 2, LONGEST - LONGEST // 2 - 1
    return name if len(name) <= LONGEST else f"{name[:head]}…{name[-tail:]}"


@styled
def plot_importance(
    names: Sequence[str],
    values: NDArray[Any],
    errors: NDArray[Any] | None = None,
    label: str = "Importance",
    most: int = 25,
) -> Figure:
    """Return the `most` important inputs.

    Args:
        names: (inputs,); long ones lose their middle.
        values: (inputs,) importance, in what `label` says.
        errors: (inputs,) or None.
        label: Label of the x axis.
        most: Number of inputs that are shown.
    """
    order = np.argsort(values)[-most:]
    figure, axes = canvas(6.0, 1.2 + 0.28 * len(order))
    axes.barh(
        range(len(order)),
        np.asarray(values)[order],
        xerr=None if errors is None else np.asarray(errors)[order],
        color=COLOURS[0],
        ecolor="#1f2933",
        height=0.7,
    )
    axes.set_yticks(range(len(order)), [shortened(names[k]) for k in order])
    axes.tick_params(axis="y", which="both", length=0)
    axes.minorticks_off()
    axes.set_xlabel(label)
    axes.margins(y=0.01)
    return figure
