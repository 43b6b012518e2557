"""Loss against epoch, in training and validation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator
from numpy.typing import NDArray

from bunchtrain.plots.style import COLOURS, apply_style, canvas


@apply_style
def plot_training(history: Mapping[str, NDArray[Any]], step: str = "epoch") -> Figure:
    """Return the curves of `history.csv`; the best step of the validation loss is marked.

    history  `epoch` (steps,) and columns that end in `loss`, such as `train_loss`.
    step     What a row is of: `epoch`, or e.g. `tree`.
    """
    figure, axes = canvas()
    epoch = np.asarray(history["epoch"])
    losses = [name for name in history if name.endswith("loss")]
    for k, name in enumerate(losses):
        values = np.asarray(history[name], np.float64)
        finite = np.isfinite(values)
        title = name.removesuffix("_loss").replace("_", " ").replace("train", "training", 1)
        title = title.replace("traininging", "training")
        title = "validation" if title == "val" else title
        axes.plot(epoch[finite], values[finite], "o-", ms=4, color=COLOURS[k], label=title)
        if name.startswith("val") and finite.any():
            best = int(np.nanargmin(values))
            axes.plot(
                epoch[best], values[best], "o", ms=10, mfc="none", mec=COLOURS[k],
                label=f"best, {step} {epoch[best]:g}",
            )  # fmt: skip
    axes.set(xlabel=step.capitalize(), ylabel="Loss")
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.xaxis.set_minor_locator(MaxNLocator(integer=True, nbins="auto"))
    axes.legend()
    return figure
