"""Cost of each model of a run: parameters, time and memory of its training, rate of inference."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from bunchtrain.study import Study, ensemble_models, model_configs


@dataclass(frozen=True)
class Cost:
    """Cost of a model's first training and of its inference; None where it is not known.

    parameters     number of trained parameters.
    seconds        of the training.
    epochs         of the training.
    events         of the training set.
    training_rate  events per second in training.
    memory         peak memory of the training in bytes.
    rate           events per second in inference, from columns to predictions.
    """

    parameters: int | None = None
    seconds: float | None = None
    epochs: int | None = None
    events: int | None = None
    training_rate: float | None = None
    memory: int | None = None
    rate: float | None = None


def costs(study: Study, read_json: Callable[[str], Any]) -> dict[str, Cost]:
    """Return the cost of each model, and of each ensemble that of all its models.

    study      study of the run.
    read_json  returns the content of a JSON file of the run, {} if it is missing.
    """
    found = {name: _cost(name, read_json) for name in model_configs(study)}
    for name, ensemble in study.ensembles.items():
        found[name] = _sum(
            [found[part] for part in ensemble_models(ensemble, model_configs(study))]
        )
    return found


def _cost(name: str, read_json: Callable[[str], Any]) -> Cost:
    training = read_json(f"models/{name}/training.json")
    memory = training.get("peak_rss_mb")
    return Cost(
        parameters=training.get("parameters") or None,  # trees have none
        seconds=training.get("seconds"),
        epochs=training.get("epochs"),
        events=training.get("events"),
        training_rate=training.get("samples_per_second", training.get("jets_per_second")),
        memory=int(memory * 2**20) if memory else None,
        rate=read_json(f"models/{name}/prediction.json").get("events_per_second"),
    )


def _sum(models: Sequence[Cost]) -> Cost:
    """Return the sum of the parameters and of the times per event."""
    parameters = [one.parameters for one in models]
    rates = [one.rate for one in models if one.rate]
    return Cost(
        parameters=sum(p or 0 for p in parameters) if None not in parameters else None,
        rate=1 / sum(1 / rate for rate in rates) if len(rates) == len(models) else None,
    )
