"""How the predictive mean and deviation react to a shift of the events (arXiv:1904.10004)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from numpy.typing import NDArray

from bunchtrain.plots.style import COLOURS, FEW, grid, styled

#: Class of events → mean, and its error, at every shift; (shifts,) each.
Curves = Mapping[str, tuple[NDArray[Any], NDArray[Any]]]


@styled
def plot_reaction(
    amounts: NDArray[Any],
    panels: Mapping[str, Mapping[str, Curves]],
    label: str,
) -> Figure:
    """Return a panel a quantity, with a curve a network: the signal's full, the others' dashed.

    Args:
        amounts: (shifts,) signed sizes.
        panels: Axis label → network → curves, the last class being the signal.
        label: Axis label of the shift.
    """
    figure, axes = grid(len(panels), 2, 5.2, 4.4)
    order = list(dict.fromkeys(network for networks in panels.values() for network in networks))
    for panel, (words, networks) in zip(axes, panels.items(), strict=False):
        for network, curves in list(networks.items())[:FEW]:
            colour = COLOURS[order.index(network) % len(COLOURS)]
            for k, (mean, error) in enumerate(reversed(list(curves.values()))):
                panel.errorbar(
                    amounts, mean, error, fmt="o-" if k == 0 else "o--", ms=3, lw=1.2,
                    color=colour, label=network if k == 0 else None,
                )  # fmt: skip
        panel.set(xlabel=label, ylabel=words, ylim=(0, 1.3 * _highest(networks)))
        panel.legend(loc="upper center", ncols=2, fontsize=8)
    return figure


def _highest(networks: Mapping[str, Curves]) -> float:
    return max(float(np.max(mean)) for curves in networks.values() for mean, _ in curves.values())
