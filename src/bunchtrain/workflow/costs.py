"""What each network of a run cost, as its trainings wrote it down."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from bunchtrain.study import Study, combined, model_configs
from bunchtrain.workflow.folder import RunFolder


@dataclass(frozen=True)
class Cost:
    """Cost of a network's first training and of its inference; None where it is not known."""

    parameters: int | None = None
    seconds: float | None = None
    epochs: int | None = None
    events: int | None = None
    training_rate: float | None = None
    memory: int | None = None
    rate: float | None = None


def costs(folder: RunFolder, study: Study) -> dict[str, Cost]:
    """Return the cost of each network, and of each ensemble what all its members need."""
    found = {name: _cost(folder, name) for name in model_configs(study)}
    for name, ensemble in study.ensembles.items():
        found[name] = _together([found[part] for part in combined(ensemble, model_configs(study))])
    return found


def _cost(folder: RunFolder, name: str) -> Cost:
    training: dict[str, Any] = folder.json(f"models/{name}/training.json")
    prediction: dict[str, Any] = folder.json(f"models/{name}/prediction.json")
    memory = training.get("peak_rss_mb")
    return Cost(
        parameters=training.get("parameters"),
        seconds=training.get("seconds"),
        epochs=training.get("epochs"),
        events=training.get("events"),
        training_rate=training.get("jets_per_second"),
        memory=int(memory * 2**20) if memory else None,
        rate=prediction.get("events_per_second"),
    )


def _together(parts: Sequence[Cost]) -> Cost:
    """Return the sum of parameters and of the times of an event."""
    parameters = [part.parameters for part in parts]
    rates = [part.rate for part in parts]
    known = [rate for rate in rates if rate]
    return Cost(
        parameters=sum(p or 0 for p in parameters) if None not in parameters else None,
        rate=1 / sum(1 / rate for rate in known) if len(known) == len(rates) else None,
    )
