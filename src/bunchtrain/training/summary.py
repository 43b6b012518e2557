"""Summary of a training: `training.json`."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from bunchtrain.files import write_json
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.process import peak_mb
from bunchtrain.training.start import Transfer

#: Measurements of a training, for `training.json`.
Summary = dict[str, float]
#: Rows of the learning curves.
Rows = list[dict[str, float]]


def write_summary(
    trained_model: TrainedModel,
    status: Literal["interrupted", "finished"],
    summary: Summary,
    warnings: Sequence[str] = (),
    transfer: Transfer | None = None,
) -> None:
    """Write `training.json`: status, summary, parameters, peak memory of this worker, warnings.

    transfer  what was taken from the trained model that the training started from.
    """
    content: dict[str, Any] = {
        "status": status,
        **summary,
        "parameters": trained_model.network.trained_parameters,
        "peak_rss_mb": peak_mb(),
        "warnings": list(warnings),
    }
    if transfer is not None:
        content["start"] = transfer.as_dict()
    write_json(Path(trained_model.task.folder) / "training.json", content)
