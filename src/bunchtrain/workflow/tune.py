"""Hyperparameter search: trials are trainings of a study with other values of some keys."""

from __future__ import annotations

import json
import math
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml
from rich.console import Console, ConsoleOptions, RenderResult

from bunchtrain.errors import RunError, StudyError, UserError, nearest, shorten
from bunchtrain.files import as_json, as_path, read_json, write_json, write_text
from bunchtrain.study import Study, model_configs, validate
from bunchtrain.study.loading import read
from bunchtrain.study.overrides import apply
from bunchtrain.tables.predictions import Predictions
from bunchtrain.trained_model import TrainedModel
from bunchtrain.training.train import train
from bunchtrain.training.tuning import Search, tune
from bunchtrain.training.tuning_report import show, table
from bunchtrain.workflow.evaluate import evaluation_parts, make_evaluation
from bunchtrain.workflow.folder import RunFolder, dump
from bunchtrain.workflow.predict import write_predictions
from bunchtrain.workflow.preparation import event_cache, task
from bunchtrain.workflow.run import Run
from bunchtrain.workflow.starts import copy_starts

#: Default search space.
DEFAULT_SPACE: dict[str, dict[str, Any]] = {
    "training.learning_rate": {"low": 1e-4, "high": 1e-2, "log": True},
    "training.batch_size": {"choices": [128, 256, 512]},
}


@dataclass(frozen=True)
class SearchResult:
    """Trials of a search, the best first; displayed as a table on a terminal."""

    search: Search
    rows: list[dict[str, Any]]
    plot: Path

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        yield table(self.rows, self.search)
        yield f"Parallel coordinates: {self.plot}"


def search(
    study: Study,
    space: Path | str | Mapping[str, Any] | None = None,
    *,
    metric: str = "auc",
    trials: int = 20,
    workers: int = 1,
    engine: str = "ray",
    folder: Path | None = None,
) -> SearchResult:
    """Search the keys of a study for the best metric of the validation set.

    study    study of one model.
    space    dotted key → {low, high, log}, {choices} or a list of choices, or a YAML file of it.
    metric   metric of `metrics.json`, e.g. `auc` or `rejection_50`; losses are minimised.
    trials   number of trials in total.
    workers  number of concurrent trials.
    engine   `ray` or `local`.
    folder   of the search; one that exists is resumed.

    Raises StudyError for a space that does not fit the study, UserError for an unknown engine,
    RunError if the folder has a search of other events, another study or metric, or if another
    process runs it.
    """
    wanted = _read_space(DEFAULT_SPACE if space is None else space)
    place = folder or Path("runs") / study.name / time.strftime("tune_%Y-%m-%d_%H-%M-%S")
    _check(study, wanted, engine)
    with RunFolder(place).locked():
        _check_resumed(place, study, metric, event_cache(study).key)
        copy_starts(RunFolder(place), study, Path("runs"))
        direction: Literal["maximize", "minimize"] = "minimize" if _is_loss(metric) else "maximize"
        options = Search(str(place), wanted, metric, direction, trials, study.seed)
        trial = Trial(dump(study), str(place), metric)
        rows = tune(trial, options, engine="ray" if engine == "ray" else "local", parallel=workers)
        best = {key: value for key, value in rows[0].items() if key in wanted} if rows else {}
        write_text(place / "best.yaml", yaml.safe_dump(best))
        return SearchResult(options, rows, show(rows, options, Console(quiet=True)))


def _check_resumed(folder: Path, study: Study, metric: str, key: str) -> None:
    """Write what a search depends on; raise RunError if its folder has that of another one."""
    chosen = yaml.safe_load(dump(study))
    chosen.pop("storage", None)
    ours = {"events": key, "study": chosen, "metric": metric}
    path = folder / "search.json"
    theirs = read_json(path) if path.is_file() else ours
    for name, value in json.loads(as_json(ours)).items():
        if theirs.get(name) != value:
            raise RunError(f"{folder} has a search with other {name}: give another --folder")
    write_json(path, ours)


def _read_space(space: Path | str | Mapping[str, Any]) -> dict[str, Any]:
    """Return dotted key → {low, high, log} or {choices}.

    Raises StudyError for a file that is not YAML, and for values of another form.
    """
    path = "the search space"
    given = dict(space) if isinstance(space, Mapping) else read(as_path(space, path))
    given.pop("name", None)
    if not given:
        raise StudyError("the search space is empty; give a key, e.g. 'model.dropout: [0, 0.1]'")
    found: dict[str, Any] = {}
    for key, values in given.items():
        form = {"choices": values} if isinstance(values, list) else values
        choices = form.get("choices") if isinstance(form, Mapping) else None
        ends = [form.get(end) for end in ("low", "high")] if isinstance(form, Mapping) else [None]
        is_range = all(isinstance(end, int | float) and math.isfinite(end) for end in ends)
        if not (is_range or (choices and isinstance(choices, list))):
            raise StudyError(
                f"search space, key '{shorten(key, plain=True)}': give a list of choices, or low "
                f"and high (and log: true), got {shorten(values)}"
            )
        found[str(key)] = form
    return found


def _is_loss(metric: str) -> bool:
    return any(word in metric for word in ("bias", "resolution", "width", "error", "loss"))


def _check(study: Study, space: Mapping[str, Any], engine: str) -> None:
    if engine not in ("ray", "local"):
        raise UserError(f"a search runs on 'ray' or 'local', not on '{engine}'")
    if len(model_configs(study)) > 1:
        names = ", ".join(model_configs(study))
        raise StudyError(f"a search tunes one model; choose one of {names} with --only")
    content = yaml.safe_load(dump(study))
    for key, values in space.items():
        for value in values.get("choices") or [values["low"], values["high"]]:
            try:
                validate(apply(content, {key: value}))
            except StudyError as problem:
                raise StudyError(f"search space, key '{key}': {problem}") from None


@dataclass(frozen=True)
class Trial:
    """One training with overrides; plain data, so that it can be sent to workers."""

    study: str
    folder: str
    metric: str

    def __call__(self, overrides: dict[str, Any], report: Callable[[int, float], bool]) -> float:
        """Return the metric of the validation set."""
        study = validate(apply(yaml.safe_load(self.study), overrides))
        (name, model), *_ = model_configs(study).items()
        cache = event_cache(study)
        place = Path(self.folder) / "trials" / _label(overrides)

        def value(trained: TrainedModel) -> float:
            path = place / "validation.parquet"
            write_predictions(study, cache, {name: trained}, path, "validation")
            run = Run(RunFolder(place))
            run.study, run.models, run.predictions = study, {name: trained}, Predictions.read(path)
            return _measure(run, name, self.metric)

        def on_epoch(epoch: int, trained: TrainedModel) -> bool:
            return report(epoch, value(trained))

        start = RunFolder(Path(self.folder)).start(name)
        made = task(study, model, cache.folder, place, start=start)
        return value(train(made, on_epoch=on_epoch))


def _measure(run: Run, model: str, metric: str) -> float:
    """Return a metric of a model, from the first evaluation of the study that has it.

    Raises StudyError, naming the nearest, if none has it.
    """
    known: list[str] = []
    for name, options in evaluation_parts(run.study).values():
        evaluation = make_evaluation(run.study, name, options)
        found = {} if evaluation.after_export else evaluation.metrics(run).get(model, {})
        if metric in found:
            return float(found[metric]["value"] or 0.0)
        known += found
    raise StudyError(f"there is no metric '{metric}'{nearest(metric, known)}")


def _label(overrides: Mapping[str, Any]) -> str:
    text = "_".join(f"{k.rsplit('.', 1)[-1]}={v}" for k, v in sorted(overrides.items()))
    return text.replace("/", "-")[:120]
