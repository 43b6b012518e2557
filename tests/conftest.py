"""Settings of all tests that save time: figures without ticks, a collector that runs seldom."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

#: Folders of tests whose figures have their layout and ticks.
WITH_LAYOUT = {"plots", "report", "evaluations"}


def pytest_collection_finish() -> None:
    """Leave what was imported out of the searches for garbage, which are made less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(20_000, 20, 20)


@pytest.fixture(scope="session", autouse=True)
def placed_axes() -> Iterator[Callable[[Any], None]]:
    """Draw figures without placing their axes and without ticks, most of a small run's time.

    Return the function that places them. Ticks with names are drawn.
    """
    from matplotlib.ticker import FixedFormatter, NullLocator

    from bunchtrain.plots import pictures

    place = pictures._fix_layout

    def leave(figure: Any) -> None:
        pictures._escape_names(figure)
        figure.set_layout_engine("none")
        for axis in [one for axes in figure.axes for one in (axes.xaxis, axes.yaxis)]:
            axis.set_minor_locator(NullLocator())
            if not isinstance(axis.get_major_formatter(), FixedFormatter):
                axis.set_major_locator(NullLocator())

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pictures, "_fix_layout", leave)
        yield place


@pytest.fixture(autouse=True)
def _layout_of_figures(
    request: pytest.FixtureRequest,
    placed_axes: Callable[[Any], None],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    if request.path.parent.name in WITH_LAYOUT:
        monkeypatch.setattr("bunchtrain.plots.pictures._fix_layout", placed_axes)
