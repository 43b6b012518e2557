"""Where the numbers of quantised networks lay beyond the range that their format holds."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from bunchtrain.report import Table
from bunchtrain.trained_model import TrainedModel
from bunchtrain.workflow.folder import RunFolder

Result = TypeVar("Result")


def watched(
    network: TrainedModel, predict: Callable[[], Result]
) -> tuple[Result, dict[str, int] | None]:
    """Return what `predict` gives, and place → numbers of the network out of range while it ran.

    None in place of the numbers for a network that is not quantised.
    """
    model: Any = network.network.model
    if not hasattr(model, "overflows"):
        return predict(), None
    found: list[Result] = []
    beyond: dict[str, int] = model.overflows(lambda: found.append(predict()))
    return found[0], beyond


def range_tables(folder: RunFolder, names: Iterable[str]) -> Iterator[Table]:
    """Yield the table of the quantised networks of a run, by their first trainings."""
    rows = []
    for name in names:
        beyond = folder.json(f"models/{name}/prediction.json").get("out_of_range")
        if beyond is not None:
            places = [f"{place} {count:,}" for place, count in beyond.items() if count]
            rows.append([name, f"{sum(beyond.values()):,}", ", ".join(places)])
    if rows:
        caption = (
            "Numbers of the test set beyond the range of their fixed-point format, which was taken "
            "from the training set. Inputs are clipped; others wrap around or saturate, as the "
            "option 'overflow' of the model says."
        )
        yield Table(caption, ["Network", "Out of range", "Where"], rows)
