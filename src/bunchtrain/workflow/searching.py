"""`bunchtrain tune`: trials are trainings of a study with other values at some of its keys."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from rich.console import Console, ConsoleOptions, RenderResult

from bunchtrain.errors import StudyError, UserError, nearest
from bunchtrain.files import write_text
from bunchtrain.study import Study, model_configs, validate
from bunchtrain.study.loading import read
from bunchtrain.study.overrides import apply
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.train import train
from bunchtrain.training.tuning import Search, tune
from bunchtrain.training.tuning_report import show, table
from bunchtrain.workflow.figures import measure
from bunchtrain.workflow.folder import dump
from bunchtrain.workflow.prediction_table import Predictions
from bunchtrain.workflow.predictions import write_predictions
from bunchtrain.workflow.preparation import event_cache, task

#: What is searched where the user gives no space.
DEFAULT_SPACE: dict[str, dict[str, Any]] = {
    "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "training.batch_size": {"choices": [128, 256, 512]},
}


@dataclass(frozen=True)
class Found:
    """What a search found; a table on a terminal."""

    search: Search
    rows: list[dict[str, Any]]
    plot: Path

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield table(self.rows, self.search)
        yield f"Parallel coordinates: {self.plot}"


def search(
    study: Study,
    space: Path | Mapping[str, Any] | None = None,
    *,
    metric: str = "auc",
    trials: int = 20,
    workers: int = 1,
    engine: str = "ray",
    folder: Path | None = None,
) -> Found:
    """Search the fields of a study for the best figure of the validation set.

    space    dotted key → {low, high, log} or {choices}, or a YAML file of it.
    metric   a figure of `metrics.json`, as `auc` or `rejection_50`; of losses the smallest is best.
    folder   a search that is there is gone on with, up to `trials` in all.

    Raises StudyError for a space that does not fit the study, UserError for an unknown engine.
    """
    wanted = read(space) if isinstance(space, Path) else dict(space or DEFAULT_SPACE)
    wanted.pop("name", None)
    place = folder or Path("runs") / study.name / time.strftime("tune_%Y-%m-%d_%H-%M-%S")
    _check(study, wanted, engine)
    event_cache(study)
    direction: Literal["maximize", "minimize"] = "minimize" if _is_loss(metric) else "maximize"
    found = Search(str(place), wanted, metric, direction, trials, study.seed)
    trial = Trial(dump(study), str(place), metric)
    rows = tune(trial, found, engine="ray" if engine == "ray" else "local", parallel=workers)
    write_text(place / "best.yaml", yaml.safe_dump(_best(rows, wanted)))
    return Found(found, rows, show(rows, found, Console(quiet=True)))


def _is_loss(metric: str) -> bool:
    return any(word in metric for word in ("bias", "resolution", "width", "error", "loss"))


def _best(rows: list[dict[str, Any]], space: Mapping[str, Any]) -> dict[str, Any]:
    return {key: value for key, value in rows[0].items() if key in space} if rows else {}


def _check(study: Study, space: Mapping[str, Any], engine: str) -> None:
    if engine not in ("ray", "local"):
        raise UserError(f"a search runs on 'ray' or 'local', not on '{engine}'")
    if len(model_configs(study)) > 1:
        names = ", ".join(model_configs(study))
        raise StudyError(f"a search tunes one network; choose one of {names} with --only")
    content = yaml.safe_load(dump(study))
    for key, values in space.items():
        known = values.get("choices") if isinstance(values, dict) else None
        value = known[0] if known else (values or {}).get("low")
        try:
            validate(apply(content, {key: value}))
        except StudyError as problem:
            raise StudyError(f"search space, key '{key}': {problem}") from None


@dataclass(frozen=True)
class Trial:
    """One training with overrides; plain data, so that it travels to workers."""

    study: str
    folder: str
    metric: str

    def __call__(self, overrides: dict[str, Any], report: Callable[[int, float], bool]) -> float:
        """Return the metric of the validation set."""
        study = validate(apply(yaml.safe_load(self.study), overrides))
        (name, member), *_ = model_configs(study).items()
        cache = event_cache(study)
        place = Path(self.folder) / "trials" / _label(overrides)

        def value(network: TrainedModel) -> float:
            path = place / "validation.parquet"
            write_predictions(study, cache, {name: network}, path, "validation")
            figures = measure(Predictions.read(study, path))[name]
            if self.metric not in figures:
                hint = nearest(self.metric, figures)
                raise StudyError(f"there is no figure '{self.metric}'{hint}")
            return float(figures[self.metric]["value"] or 0.0)

        def watch(epoch: int, network: TrainedModel) -> bool:
            return report(epoch, value(network))

        made = task(study, member, cache.folder, place)
        return value(train(made, progress=False, watch=watch))


def _label(overrides: Mapping[str, Any]) -> str:
    text = "_".join(f"{k.rsplit('.', 1)[-1]}={v}" for k, v in sorted(overrides.items()))
    return text.replace("/", "-")[:120]
